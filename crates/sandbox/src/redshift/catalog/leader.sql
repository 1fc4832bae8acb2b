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

-- What SHOW answers, column by column.
create view twinhouse.show_databases as
  select database_name, database_owner, database_type, database_acl, null::varchar(128) as parameters, database_isolation_level
  from pg_catalog.svv_redshift_databases;
create view twinhouse.show_schemas as
  select database_name, schema_name, schema_owner, schema_type, schema_acl, source_database, schema_option
  from pg_catalog.svv_all_schemas;
create view twinhouse.show_tables as
  select pg_catalog.current_database()::varchar(128) as database_name, t.nspname::varchar(128) as schema_name,
         t.relname::varchar(128) as table_name, (case t.kind when 'TABLE' then 'TABLE' else 'VIEW' end)::varchar(128) as table_type,
         t.relacl::text::varchar(128) as table_acl,
         pg_catalog.obj_description(t.relid, 'pg_class')::varchar(256) as remarks,
         (case t.kind when 'TABLE' then 'REGULAR TABLE' when 'VIEW' then 'REGULAR VIEW' else t.kind end)::varchar(128) as table_subtype,
         pg_catalog.pg_get_userbyid(t.relowner)::varchar(128) as owner, null::timestamp as last_altered_time,
         null::timestamp as last_modified_time,
         (case when t.relkind <> 'r' then null when l.distkey is not null then 'KEY (' || l.distkey || ')'
               else coalesce(pg_catalog.upper(l.diststyle), 'AUTO (ALL)') end)::varchar(128) as dist_style
  from twinhouse.tables t left join twinhouse.layout l on l.relid = t.relid;
create view twinhouse.show_columns as
  select a.database_name, a.schema_name, a.table_name, a.column_name, a.ordinal_position, a.column_default, a.is_nullable,
         a.data_type, a.character_maximum_length, a.numeric_precision, a.numeric_scale, a.remarks,
         (case when r.sortkey = 0 then null when exists (select from pg_catalog.svv_redshift_columns o
             where o.schema_name = r.schema_name and o.table_name = r.table_name and o.sortkey < 0)
           then 'INTERLEAVED' else 'COMPOUND' end)::varchar(128) as sort_key_type,
         r.sortkey as sort_key, case when r.distkey then 1 else 0 end as dist_key, r.encoding, null::varchar(128) as collation
  from pg_catalog.svv_all_columns a join pg_catalog.svv_redshift_columns r
    on r.schema_name = a.schema_name and r.table_name = a.table_name and r.column_name = a.column_name;
create view twinhouse.show_primary_keys as
  select pg_catalog.current_database()::varchar(128) as database_name, n.nspname::varchar(128) as schema_name,
         t.relname::varchar(128) as table_name, a.attname::varchar(128) as column_name, place as key_seq,
         c.conname::varchar(128) as pk_name
  from pg_catalog.pg_constraint c
  cross join lateral pg_catalog.generate_subscripts(c.conkey, 1) as place
  join pg_catalog.pg_class t on t.oid = c.conrelid join twinhouse.schemas n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = c.conkey[place]
  where c.contype = 'p';
create view twinhouse.show_foreign_keys as
  select pg_catalog.current_database()::varchar(128) as pk_database_name, m.nspname::varchar(128) as pk_schema_name,
         s.relname::varchar(128) as pk_table_name, b.attname::varchar(128) as pk_column_name,
         pg_catalog.current_database()::varchar(128) as fk_database_name, n.nspname::varchar(128) as fk_schema_name,
         t.relname::varchar(128) as fk_table_name, a.attname::varchar(128) as fk_column_name, place as key_seq,
         3::smallint as update_rule, 3::smallint as delete_rule, c.conname::varchar(128) as fk_name,
         (select p.conname from pg_catalog.pg_constraint p where p.conrelid = s.oid and p.contype = 'p')::varchar(128) as pk_name,
         7::smallint as deferrability
  from pg_catalog.pg_constraint c
  cross join lateral pg_catalog.generate_subscripts(c.conkey, 1) as place
  join pg_catalog.pg_class t on t.oid = c.conrelid join twinhouse.schemas n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = c.conkey[place]
  join pg_catalog.pg_class s on s.oid = c.confrelid join twinhouse.schemas m on m.oid = s.relnamespace
  join pg_catalog.pg_attribute b on b.attrelid = s.oid and b.attnum = c.confkey[place]
  where c.contype = 'f';

do $$
declare made regclass;
begin
  for made in
    select oid from pg_catalog.pg_class where relnamespace = 'twinhouse'::regnamespace
      and (relname like 'pg\\_%' or relname like 'show\\_%' or relname = 'encodings') and relkind in ('r', 'v')
  loop
    execute format('grant select on %s to public', made);
  end loop;
end $$;
