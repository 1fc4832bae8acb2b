-- The catalog as the leader node has it. Statements that read the engine's own tables are led here: see leader.rs.
create view twinhouse.pg_namespace as
  select n.* from pg_catalog.pg_namespace n where n.nspname not in ('twinhouse', 'pg_toast');

-- What holds columns to their length in bytes is no constraint of the user's.
create view twinhouse.pg_constraint as
  select c.* from pg_catalog.pg_constraint c where not (c.contype = 'c' and c.conname like 'bytes\\_%');

create view twinhouse.pg_class as
  select c.*, false as relhasoids,
         (case when l.distkey is not null then 1
               else case pg_catalog.upper(l.diststyle) when 'EVEN' then 0 when 'ALL' then 8
                 else case when c.relkind = 'r' then 10 else 0 end end end)::smallint as reldiststyle
  from pg_catalog.pg_class c left join twinhouse.layout l on l.relid = c.oid;

-- The encodings by their numbers in pg_attribute; a column of none has number 0.
create table twinhouse.encodings (number smallint, name text);
insert into twinhouse.encodings values
  (1, 'raw'), (2, 'bytedict'), (3, 'delta'), (4, 'delta32k'), (5, 'lzo'), (6, 'mostly8'), (7, 'mostly16'), (8, 'mostly32'),
  (9, 'runlength'), (10, 'text255'), (11, 'text32k'), (12, 'zstd'), (13, 'az64'), (14, 'auto');
create function pg_catalog.format_encoding(number int) returns text language sql stable strict as
$$ select coalesce((select e.name from twinhouse.encodings e where e.number = $1), 'none') $$;

create view twinhouse.pg_attribute as
  select a.*, coalesce(l.distkey = a.attname, false) as attisdistkey,
         twinhouse.sort_place(l.sortkey, l.interleaved, a.attname) as attsortkeyord,
         coalesce((select e.number from pg_catalog.jsonb_array_elements(l.encodings) said
                   join twinhouse.encodings e on e.name = pg_catalog.lower(said->>1)
                   where said->>0 = a.attname), 0)::smallint as attencodingtype
  from pg_catalog.pg_attribute a left join twinhouse.layout l on l.relid = a.attrelid;

create view twinhouse.pg_attrdef as
  select d.*, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as adsrc from pg_catalog.pg_attrdef d;

create view twinhouse.pg_proc as select p.*, p.prokind = 'a' as proisagg from pg_catalog.pg_proc p;
create view pg_catalog.pg_proc_info as
  select p.oid as prooid, p.proname, p.pronamespace, p.proowner, p.prolang, p.prosecdef, p.proisstrict, p.proretset,
         p.provolatile, p.pronargs, p.prorettype, p.proargtypes, p.proallargtypes, p.proargmodes, p.proargnames, p.prosrc,
         p.probin, p.proacl, p.prokind
  from pg_catalog.pg_proc p where p.proname not like 'twinhouse\\_%';

do $$
declare made regclass;
begin
  for made in
    select oid from pg_catalog.pg_class where relnamespace = 'twinhouse'::regnamespace
      and relname in ('pg_namespace', 'pg_constraint', 'pg_class', 'pg_attribute', 'pg_attrdef', 'pg_proc', 'encodings')
  loop
    execute format('grant select on %s to public', made);
  end loop;
end $$;
