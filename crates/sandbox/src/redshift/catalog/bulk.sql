-- Loads and unloads: what the front remembers, in the shapes of the STL_ and SYS_ views.
create unlogged table twinhouse.bulk (kind text, "row" jsonb);
create view twinhouse.bulk_rows as
  select b.kind, r.*, b."row" as more, u.usesysid::int as user_id,
         twinhouse.at(r.start_time) as started, twinhouse.at(r.end_time) as ended
  from twinhouse.bulk b
  cross join lateral pg_catalog.jsonb_to_record(b."row") as r (query_id bigint, transaction_id bigint, session_id int,
    username text, database_name text, start_time bigint, end_time bigint, status text, file_name text, file_format text,
    error_message text)
  left join pg_catalog.pg_user u on u.usename = r.username
  where r.username = current_user or pg_catalog.pg_has_role(current_user, 'pg_monitor', 'member');

create view pg_catalog.sys_load_history as
  select user_id, query_id, transaction_id, session_id, database_name, status, more->>'table_name' as table_name,
         started as start_time, ended as end_time, end_time - start_time as duration, more->>'data_source' as data_source,
         file_format, (more->>'loaded_rows')::bigint as loaded_rows, (more->>'source_file_bytes')::bigint as loaded_bytes,
         (more->>'source_file_count')::int as source_file_count, (more->>'source_file_bytes')::bigint as source_file_bytes,
         (more->>'source_file_count')::int as file_count_scanned, (more->>'source_file_bytes')::bigint as file_bytes_scanned,
         (more->>'error_count')::bigint as error_count, -1::bigint as copy_job_id
  from twinhouse.bulk_rows where kind = 'load';
create view pg_catalog.sys_load_detail as
  select user_id, query_id::int as query_id, file_name::char(256) as file_name, (more->>'bytes')::int as bytes_scanned,
         (more->>'lines')::int as lines_scanned, ended as record_time, 1 as splits_scanned, started as start_time,
         ended as end_time, null::char(256) as file_etag, null::timestamp as file_last_modified
  from twinhouse.bulk_rows where kind = 'load_file';
create view pg_catalog.stl_load_commits as
  select user_id as userid, query_id::int as query, 0 as slice, file_name::char(256) as name, file_name::char(256) as filename,
         0 as byte_offset, (more->>'lines')::int as lines_scanned, (more->>'errors')::int as errors, ended as curtime, 1 as status,
         file_format::char(16) as file_format, 0 as is_partial, 0::bigint as start_offset, -1::bigint as copy_job_id
  from twinhouse.bulk_rows where kind = 'load_file';
create view pg_catalog.sys_load_error_detail as
  select user_id, query_id, transaction_id, session_id, database_name::char(64) as database_name,
         (more->>'table_id')::int as table_id, started as start_time, file_name::char(256) as file_name,
         (more->>'line_number')::bigint as line_number, (more->>'column_name')::char(127) as column_name,
         (more->>'column_type')::char(10) as column_type, (more->>'column_length')::char(10) as column_length, 0 as position,
         (more->>'error_code')::int as error_code, error_message::char(512) as error_message
  from twinhouse.bulk_rows where kind = 'load_error';
create view pg_catalog.stl_load_errors as
  select user_id as userid, 0 as slice, (more->>'table_id')::int as tbl, started as starttime, session_id as session,
         query_id::int as query, file_name::char(256) as filename, (more->>'line_number')::bigint as line_number,
         (more->>'column_name')::char(127) as colname, (more->>'column_type')::char(10) as type,
         (more->>'column_length')::char(10) as col_length, 0 as position, (more->>'raw_line')::char(1024) as raw_line,
         (more->>'raw_field_value')::char(1024) as raw_field_value, (more->>'error_code')::int as err_code,
         error_message::char(100) as err_reason, 0 as is_partial, 0::bigint as start_offset, -1::bigint as copy_job_id
  from twinhouse.bulk_rows where kind = 'load_error';

create view pg_catalog.sys_unload_history as
  select user_id, query_id, transaction_id, session_id, database_name, status, started as start_time, ended as end_time,
         end_time - start_time as duration, file_format, more->>'compression_type' as compression_type,
         more->>'location' as unloaded_location, (more->>'rows')::bigint as unloaded_rows,
         (more->>'files')::bigint as unloaded_files_count, (more->>'bytes')::bigint as unloaded_files_size, error_message
  from twinhouse.bulk_rows where kind = 'unload';
create view pg_catalog.sys_unload_detail as
  select user_id, query_id::int as query_id, session_id, transaction_id, (more->>'path')::char(1280) as file_name,
         started as start_time, ended as end_time, (more->>'lines')::bigint as line_count,
         (more->>'bytes')::bigint as transfer_size, file_format::char(10) as file_format
  from twinhouse.bulk_rows where kind = 'unload_file';
create view pg_catalog.stl_unload_log as
  select user_id as userid, query_id::int as query, (more->>'slice')::int as slice, session_id as pid,
         (more->>'path')::char(1280) as path, started as start_time, ended as end_time, (more->>'lines')::bigint as line_count,
         (more->>'bytes')::bigint as transfer_size, file_format::char(10) as file_format, query_id as user_query_id,
         transaction_id
  from twinhouse.bulk_rows where kind = 'unload_file';
