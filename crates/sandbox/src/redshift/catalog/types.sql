-- What every database of the sandbox starts with: Redshift's types under their own numbers, and nothing that
-- Redshift does not have. Run once, in template1, as superuser.
set allow_system_table_mods = on;
create schema twinhouse;

-- Names that Redshift does not know must not be found. Internally the engine goes by number.
alter table pg_catalog.pg_range rename to twinhouse_range;
alter table pg_catalog.pg_enum rename to twinhouse_enum;
do $$
declare routine regprocedure;
begin
  for routine in
    select oid from pg_catalog.pg_proc
    where pronamespace = 'pg_catalog'::regnamespace
      and (proname ~ '^(pg_sleep|pg_advisory_|pg_try_advisory_|gen_random_uuid$|regexp_matches$|regexp_split_to_)'
        or proname in ('array_agg', 'json_agg', 'jsonb_agg', 'json_object_agg', 'jsonb_object_agg', 'to_json', 'to_jsonb',
                       'row_to_json', 'unnest', 'string_to_table', 'version'))
  loop
    execute format('alter routine %s rename to %I', routine,
      'twinhouse_' || (select proname from pg_catalog.pg_proc where oid = routine));
  end loop;
  alter routine pg_catalog.string_agg(text, text) rename to listagg;
  alter routine pg_catalog.string_agg(bytea, bytea) rename to twinhouse_string_agg;
  for routine in
    select oid from pg_catalog.pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname = 'avg' and proargtypes::text in ('20', '21', '23')
  loop
    execute format('alter routine %s rename to twinhouse_avg', routine);
  end loop;
end $$;

-- A shell row fixes the number; CREATE TYPE then fills it in.
insert into pg_catalog.pg_type
  (oid, typname, typnamespace, typowner, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim,
   typrelid, typsubscript, typelem, typarray, typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze,
   typalign, typstorage, typnotnull, typbasetype, typtypmod, typndims, typcollation)
select number, name, 'pg_catalog'::regnamespace, 10, 4, true, 'p', 'P', false, false, ',',
       0, 0, 0, 0, 'shell_in', 'shell_out', 0, 0, 0, 0, 0, 'i', 'p', false, 0, -1, 0, 0
from (values (4000::oid, 'super'), (6551::oid, 'varbyte')) t (number, name);

set client_min_messages = warning;
create function pg_catalog.super_in(cstring) returns super language internal immutable strict as 'jsonb_in';
create function pg_catalog.super_out(super) returns cstring language internal immutable strict as 'jsonb_out';
create function pg_catalog.super_recv(internal) returns super language internal immutable strict as 'jsonb_recv';
create function pg_catalog.super_send(super) returns bytea language internal immutable strict as 'jsonb_send';
create type pg_catalog.super (input = pg_catalog.super_in, output = pg_catalog.super_out, receive = pg_catalog.super_recv,
  send = pg_catalog.super_send, internallength = variable, alignment = int4, storage = extended);
create cast (super as jsonb) without function as implicit;
create cast (jsonb as super) without function as implicit;

create function pg_catalog.varbyte_in(cstring) returns varbyte language internal immutable strict as 'byteain';
create function pg_catalog.varbyte_out(varbyte) returns cstring language internal immutable strict as 'byteaout';
create function pg_catalog.varbyte_recv(internal) returns varbyte language internal immutable strict as 'bytearecv';
create function pg_catalog.varbyte_send(varbyte) returns bytea language internal immutable strict as 'byteasend';
create type pg_catalog.varbyte (input = pg_catalog.varbyte_in, output = pg_catalog.varbyte_out,
  receive = pg_catalog.varbyte_recv, send = pg_catalog.varbyte_send, typmod_in = pg_catalog.varchartypmodin,
  typmod_out = pg_catalog.varchartypmodout, internallength = variable, alignment = int4, storage = extended);
create cast (varbyte as bytea) without function as implicit;
create cast (bytea as varbyte) without function as implicit;
reset client_min_messages;
