-- What CREATE TABLE says of layout is remembered; keys are information only.
create table twinhouse.layout (
  relid oid primary key,
  diststyle text,
  distkey text,
  sortkey text[] not null default '{}',
  interleaved boolean not null default false,
  encodings jsonb not null default '[]',
  foreign_keys jsonb not null default '[]'
);

-- Foreign keys are told to the catalog, and nobody enforces them: they have no triggers.
create function twinhouse.note_foreign_keys(made oid, keys jsonb) returns void language plpgsql security definer
set search_path = pg_catalog as $$
declare
  key jsonb;
  own_schema oid;
  there oid;
  attributes smallint[];
  referenced smallint[];
  number oid;
begin
  select relnamespace into own_schema from pg_class where oid = made;
  for key in select jsonb_array_elements(keys) loop
    select c.oid into there from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relname = key->>'table' and c.relkind in ('r', 'p') and coalesce(n.nspname = key->>'schema', true)
    order by n.oid <> own_schema, n.nspname <> 'public' limit 1;
    if there is null then
      raise exception 'relation "%" does not exist', key->>'table' using errcode = '42P01';
    end if;
    attributes := array(select a.attnum from jsonb_array_elements_text(key->'columns') with ordinality wanted (name, place)
      join pg_attribute a on a.attrelid = made and a.attname = wanted.name order by wanted.place);
    referenced := array(select a.attnum from jsonb_array_elements_text(key->'to') with ordinality wanted (name, place)
      join pg_attribute a on a.attrelid = there and a.attname = wanted.name order by wanted.place);
    if referenced = '{}' then
      select conkey into referenced from pg_constraint where conrelid = there and contype = 'p';
    end if;
    if coalesce(cardinality(referenced), 0) <> cardinality(attributes)
       or cardinality(attributes) <> jsonb_array_length(key->'columns') then
      raise exception 'number of referencing and referenced columns for foreign key disagree' using errcode = '42830';
    end if;
    number := pg_nextoid('pg_constraint', 'oid', 'pg_constraint_oid_index');
    -- What else the engine's version has in such a row comes from a row that is there.
    insert into pg_constraint select (jsonb_populate_record(known, jsonb_build_object(
      'oid', number,
      'conname', coalesce(key->>'name', (select relname from pg_class where oid = made) || '_' || (key->'columns'->>0) || '_fkey'),
      'connamespace', own_schema, 'contype', 'f', 'conrelid', made, 'conindid', 0, 'confrelid', there,
      'confupdtype', 'a', 'confdeltype', 'a', 'confmatchtype', 's', 'conkey', attributes, 'confkey', referenced))).*
    from pg_constraint known where known.conrelid = 'twinhouse.layout'::regclass and known.contype = 'p';
    -- It goes when either table goes.
    insert into pg_depend (classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype)
      select 'pg_constraint'::regclass, number, 0, 'pg_class'::regclass, relation, 0, 'a'
      from (select made as relation union select there) tables;
  end loop;
end $$;

create function twinhouse.after_ddl() returns event_trigger language plpgsql security definer
set search_path = pg_catalog as $$
declare
  made record;
  mark text;
  said jsonb;
begin
  for made in select * from pg_event_trigger_ddl_commands() where object_type in ('table', 'index', 'table constraint') loop
    -- No key is ever enforced.
    update pg_index set indisunique = false
      where indisunique and (indexrelid = made.objid or indrelid = made.objid);
    if made.object_type = 'table' and tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') then
      for mark in select (twinhouse_regexp_matches(current_query(), '/\\*twinhouse:(.*?)\\*/', 'g'))[1] loop
        said := mark::jsonb;
        continue when said->>'table' is distinct from (select relname from pg_class where oid = made.objid);
        insert into twinhouse.layout
        select made.objid, said->>'diststyle', said->>'distkey',
               array(select jsonb_array_elements_text(coalesce(said->'sortkey', '[]'))),
               coalesce((said->>'interleaved')::boolean, false),
               coalesce(said->'encodings', '[]'), coalesce(said->'foreign_keys', '[]')
        on conflict (relid) do nothing;
        perform twinhouse.note_foreign_keys(made.objid, coalesce(said->'foreign_keys', '[]'));
      end loop;
    elsif made.object_type = 'table' and tg_tag = 'ALTER TABLE' then
      perform twinhouse.fit_lengths(made.objid);
    end if;
  end loop;
end $$;

-- A column that was resized is held to its new length in bytes.
create function twinhouse.fit_lengths(relid oid) returns void language plpgsql security definer
set search_path = pg_catalog as $$
declare
  stale record;
begin
  for stale in
    select c.conname, a.attname, a.atttypmod - 4 as length
    from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and c.conkey = array[a.attnum]
    where c.conrelid = relid and c.contype = 'c' and c.conname like 'bytes\\_%'
      and a.atttypid = 1043 and split_part(substr(c.conname, 7), ':', 1) <> (a.atttypmod - 4)::text
  loop
    execute format('alter table %s drop constraint %I', relid::regclass, stale.conname);
    execute format('alter table %s add constraint %I check (octet_length(%I) <= %s)', relid::regclass,
      'bytes_' || stale.length || ':' || split_part(stale.conname, ':', 2), stale.attname, stale.length);
  end loop;
end $$;

create event trigger twinhouse_after_ddl on ddl_command_end
  when tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
  execute function twinhouse.after_ddl();

-- Row by row, through the index: transactions that drop different tables must not have read each other's rows.
create function twinhouse.after_drop() returns event_trigger language plpgsql security definer
set search_path = pg_catalog set enable_seqscan = off as $$
declare gone oid;
begin
  for gone in select objid from pg_event_trigger_dropped_objects() where classid = 'pg_class'::regclass loop
    delete from twinhouse.layout where relid = gone;
  end loop;
end $$;
create event trigger twinhouse_after_drop on sql_drop execute function twinhouse.after_drop();
