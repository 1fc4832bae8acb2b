-- System views of tables and columns.
create function twinhouse.count_rows(relid oid) returns bigint language plpgsql stable security definer
set search_path = pg_catalog as
$$ declare counted bigint; begin
  execute format('select count(*) from %s', relid::regclass) into counted; return counted;
-- Dropped since the list was made: no name, or one that is gone.
exception when syntax_error or undefined_table or invalid_schema_name then return 0; end $$;

create function twinhouse.type_name(type oid, modifier int) returns text language sql stable as
$$ select pg_catalog.replace(pg_catalog.format_type(type, modifier), 'varbyte', 'binary varying') $$;

create function twinhouse.at(microseconds bigint) returns timestamp language sql immutable strict as
$$ select timestamp 'epoch' + microseconds * interval '1 microsecond' $$;

-- The place in a sort key; in an interleaved one the signs alternate.
create function twinhouse.sort_place(sortkey text[], interleaved boolean, name name) returns int language sql immutable as
$$ select coalesce(place * case when interleaved and place % 2 = 0 then -1 else 1 end, 0)
   from (select pg_catalog.array_position(sortkey, name::text) as place) p $$;

-- Schemas that a client may know of; the engine's temporary ones have another number for each session.
create view twinhouse.schemas as
  select n.oid, n.nspname, n.nspowner, n.nspacl from pg_catalog.pg_namespace n
  where n.nspname not in ('twinhouse', 'pg_toast', 'information_schema', 'pg_catalog') and n.nspname not like 'pg\\_%temp\\_%';

create view twinhouse.tables as
  select s.nspname, c.oid as relid, c.relname, c.relkind, c.relacl, c.relowner, c.reltuples as known_rows,
         case c.relkind when 'r' then 'TABLE' when 'm' then 'MATERIALIZED VIEW' else 'VIEW' end as kind
  from pg_catalog.pg_class c join twinhouse.schemas s on s.oid = c.relnamespace
  where c.relkind in ('r', 'v', 'm', 'p');

create view twinhouse.columns as
  select t.nspname, t.relid, t.relname, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.attacl,
         pg_catalog.row_number() over (partition by t.relid order by a.attnum)::int as position,
         case when a.attidentity <> '' then
           (select '"identity"(' || t.relid || ', ' || a.attnum - 1 || ', ''' || q.seqstart || ',' || q.seqincrement || '''::text)'
            from pg_catalog.pg_sequence q join pg_catalog.pg_depend o on o.objid = q.seqrelid
            where o.classid = 'pg_catalog.pg_class'::regclass and o.refclassid = o.classid and o.refobjid = t.relid
              and o.refobjsubid = a.attnum and o.deptype = 'i')
           else pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as preset
  from twinhouse.tables t
  join pg_catalog.pg_attribute a on a.attrelid = t.relid and a.attnum > 0 and not a.attisdropped
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum;

create view pg_catalog.svv_all_schemas as
  select pg_catalog.current_database()::varchar(128) as database_name, nspname::varchar(128) as schema_name,
         nspowner::int as schema_owner, 'local'::varchar(128) as schema_type, nspacl::text::varchar(128) as schema_acl,
         null::varchar(128) as source_database, null::varchar(256) as schema_option
  from twinhouse.schemas;
create view pg_catalog.svv_redshift_schemas as
  select database_name, schema_name, schema_owner, schema_type::varchar(16), schema_acl, schema_option::varchar(128)
  from pg_catalog.svv_all_schemas;
create view pg_catalog.svv_all_tables as
  select pg_catalog.current_database()::varchar(128) as database_name, nspname::varchar(128) as schema_name,
         relname::varchar(128) as table_name, relacl::text::varchar(128) as table_acl, kind::varchar(128) as table_type,
         pg_catalog.obj_description(relid, 'pg_class')::varchar(256) as remarks
  from twinhouse.tables;
create view pg_catalog.svv_redshift_tables as
  select pg_catalog.current_database()::varchar(128) as database_name, nspname::varchar(128) as schema_name,
         relname::varchar(128) as table_name, kind::varchar(128) as table_type, relacl::text::varchar(128) as table_acl,
         pg_catalog.obj_description(relid, 'pg_class')::varchar(256) as remarks,
         pg_catalog.pg_get_userbyid(relowner)::varchar(128) as table_owner
  from twinhouse.tables;
create view pg_catalog.svv_tables as
  select database_name as table_catalog, schema_name as table_schema, table_name,
         (case table_type when 'TABLE' then 'BASE TABLE' else table_type end)::varchar(128) as table_type, remarks
  from pg_catalog.svv_all_tables;
create view pg_catalog.svv_all_columns as
  select pg_catalog.current_database()::varchar(128) as database_name, nspname::varchar(128) as schema_name,
         relname::varchar(128) as table_name, attname::varchar(128) as column_name, position as ordinal_position,
         preset::varchar(4000) as column_default, (case when attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable,
         twinhouse.type_name(atttypid, null)::varchar(128) as data_type,
         case when atttypid in (1042, 1043, 6551) and atttypmod > 4 then atttypmod - 4 end as character_maximum_length,
         case atttypid when 1700 then (atttypmod - 4) >> 16 when 21 then 16 when 23 then 32 when 20 then 64
           when 700 then 24 when 701 then 53 end as numeric_precision,
         case atttypid when 1700 then (atttypmod - 4) & 2047 when 21 then 0 when 23 then 0 when 20 then 0 end as numeric_scale,
         pg_catalog.col_description(relid, attnum)::varchar(256) as remarks
  from twinhouse.columns;
create view pg_catalog.svv_columns as
  select database_name as table_catalog, schema_name as table_schema, table_name, column_name, ordinal_position,
         column_default, is_nullable, data_type, character_maximum_length, numeric_precision,
         case when numeric_precision is not null then 10 end as numeric_precision_radix, numeric_scale,
         case when data_type like 'time%' then 6 end as datetime_precision, null::varchar(128) as interval_type,
         null::varchar(128) as interval_precision, null::varchar(128) as character_set_catalog,
         null::varchar(128) as character_set_schema, null::varchar(128) as character_set_name,
         null::varchar(128) as collation_catalog, null::varchar(128) as collation_schema,
         null::varchar(128) as collation_name, null::varchar(128) as domain_name, remarks
  from pg_catalog.svv_all_columns;
create view pg_catalog.svv_redshift_columns as
  select pg_catalog.current_database()::varchar(128) as database_name, c.nspname::varchar(128) as schema_name,
         c.relname::varchar(128) as table_name, c.attname::varchar(128) as column_name, c.position as ordinal_position,
         twinhouse.type_name(c.atttypid, c.atttypmod)::varchar(128) as data_type, c.preset::varchar(4000) as column_default,
         (case when c.attnotnull then 'NO' else 'YES' end)::varchar(3) as is_nullable,
         coalesce((select e->>1 from pg_catalog.jsonb_array_elements(l.encodings) e where e->>0 = c.attname), 'none')::varchar(128) as encoding,
         coalesce(l.distkey = c.attname, false) as distkey,
         twinhouse.sort_place(l.sortkey, l.interleaved, c.attname) as sortkey,
         c.attacl::text::varchar(128) as column_acl, pg_catalog.col_description(c.relid, c.attnum)::varchar(256) as remarks
  from twinhouse.columns c left join twinhouse.layout l on l.relid = c.relid;
create view pg_catalog.pg_table_def as
  select nspname as schemaname, c.relname as tablename, c.attname as "column",
         twinhouse.type_name(c.atttypid, c.atttypmod) as type,
         coalesce((select e->>1 from pg_catalog.jsonb_array_elements(l.encodings) e where e->>0 = c.attname), 'none') as encoding,
         coalesce(l.distkey = c.attname, false) as distkey,
         twinhouse.sort_place(l.sortkey, l.interleaved, c.attname) as sortkey, c.attnotnull as "notnull"
  from twinhouse.columns c left join twinhouse.layout l on l.relid = c.relid
  where c.nspname = any (pg_catalog.current_schemas(false));
create view pg_catalog.svv_redshift_databases as
  select datname::varchar(128) as database_name, datdba::int as database_owner, 'local'::varchar(32) as database_type,
         datacl::text::varchar(128) as database_acl, null::varchar(128) as database_options,
         'Serializable'::varchar(128) as database_isolation_level
  from pg_catalog.pg_database where datname not in ('template0', 'template1', 'postgres', 'twinhouse_template');
create view pg_catalog.svv_table_info as
  select * from (
    select pg_catalog.current_database()::text as database, t.nspname::text as schema, t.relid as table_id, t.relname::text as "table",
           (case when l.encodings <> '[]' then 'Y' else 'N' end)::text as encoded,
           coalesce(case when l.distkey is not null then 'KEY(' || l.distkey || ')' else pg_catalog.upper(l.diststyle) end, 'AUTO(ALL)')::text as diststyle,
           coalesce(l.sortkey[1], 'AUTO(SORTKEY)')::text as sortkey1,
           coalesce((select pg_catalog.max(c.atttypmod - 4) from twinhouse.columns c where c.relid = t.relid and c.atttypid = 1043), 0)::int as max_varchar,
           null::char(32) as sortkey1_enc, coalesce(pg_catalog.cardinality(l.sortkey), 0)::int as sortkey_num,
           (pg_catalog.pg_total_relation_size(t.relid) / 1048576 + 1)::bigint as size, 0::numeric(10, 4) as pct_used,
           0::bigint as empty, null::numeric(5, 2) as unsorted,
           -- The rows that the planner knows of beside those that are there.
           case when t.known_rows < 0 then 100
             else least(100, 100 * abs(twinhouse.count_rows(t.relid) - t.known_rows) / greatest(twinhouse.count_rows(t.relid), 1)) end::numeric(5, 2) as stats_off,
           twinhouse.count_rows(t.relid)::numeric(38, 0) as tbl_rows, null::numeric(19, 2) as skew_sortkey1,
           null::numeric(19, 2) as skew_rows, twinhouse.count_rows(t.relid)::numeric(38, 0) as estimated_visible_rows,
           null::text as risk_event, null::numeric(12, 2) as vacuum_sort_benefit, null::timestamp as create_time
    from twinhouse.tables t left join twinhouse.layout l on l.relid = t.relid where t.relkind = 'r'
  ) info where tbl_rows > 0 and pg_catalog.pg_has_role(current_user, 'pg_monitor', 'member');
-- There is no Spectrum here.
create view pg_catalog.svv_external_schemas as
  select null::oid as esoid, null::smallint as eskind, null::name as schemaname, null::int as esowner, null::text as databasename,
         null::text as esoptions where false;
create view pg_catalog.svv_external_tables as
  select null::text as redshift_database_name, null::text as schemaname, null::text as tablename, null::text as tabletype,
         null::text as location, null::text as input_format, null::text as output_format, null::text as serialization_lib,
         null::text as serde_parameters, null::int as compressed, null::text as parameters where false;
create view pg_catalog.svv_external_columns as
  select null::text as redshift_database_name, null::text as schemaname, null::text as tablename, null::text as columnname,
         null::text as external_type, null::int as columnnum, null::int as part_key, null::text as is_nullable where false;

create view pg_catalog.svv_external_partitions as
  select null::text as schemaname, null::text as tablename, null::text as "values", null::text as location, null::text as input_format,
         null::text as output_format, null::text as serialization_lib, null::text as serde_parameters, null::int as compressed,
         null::text as parameters where false;
create view pg_catalog.sys_external_query_detail as
  select null::int as user_id, null::bigint as query_id, null::bigint as transaction_id, null::int as child_query_sequence,
         null::int as segment_id, null::char(32) as source_type, null::timestamp as start_time, null::timestamp as end_time,
         null::bigint as duration, null::int as total_partitions, null::int as qualified_partitions, null::bigint as scanned_files,
         null::bigint as returned_rows, null::bigint as returned_bytes, null::text as file_format, null::text as file_location,
         null::text as external_query_text, null::char(4000) as warning_message, null::char(136) as table_name,
         null::char(1) as is_recursive, null::char(1) as is_nested, null::bigint as s3list_time,
         null::bigint as get_partition_time, null::char(36) as query_uuid where false;
-- There are no datashares here.
create view pg_catalog.svv_datashares as
  select null::varchar(128) as share_name, null::int as share_id, null::int as share_owner, null::varchar(128) as source_database,
         null::varchar(128) as consumer_database, null::varchar(8) as share_type, null::timestamp as createdate,
         null::boolean as is_publicaccessible, null::varchar(256) as share_acl, null::varchar(16) as producer_account,
         null::varchar(64) as producer_namespace, null::varchar(64) as managed_by where false;
