-- Sessions, queries and queues: what the front remembers, in the shapes of the STV_, STL_, SVL_ and SYS_ views.
create unlogged table twinhouse.queries (
  query_id bigint primary key, transaction_id bigint, session_id int, username text, database_name text, query_label text,
  query_type text, status text, start_time bigint, end_time bigint, error_message text, returned_rows bigint,
  returned_bytes bigint, query_text text);
create unlogged table twinhouse.sessions (
  session_id int, username text, database_name text, start_time bigint, end_time bigint, primary key (session_id, start_time));

-- The front tells what has changed since it told last.
-- Where queries queue: -1 on serverless.
create table twinhouse.server (service_class int, queue_name text);
insert into twinhouse.server values (100, 'Default queue');
create function twinhouse.write_record(record json, serverless boolean) returns void language plpgsql set search_path = pg_catalog as $$
begin
  if (record->>'full')::boolean then
    update twinhouse.server set service_class = case when serverless then -1 else 100 end,
      queue_name = case when serverless then 'serverless' else 'Default queue' end;
    delete from twinhouse.queries;
    delete from twinhouse.sessions;
    delete from twinhouse.bulk;
  end if;
  -- Keys are not enforced in this database, not even these: there is no ON CONFLICT.
  delete from twinhouse.queries q using json_populate_recordset(null::twinhouse.queries, record->'queries') n
    where q.query_id = n.query_id;
  insert into twinhouse.queries select * from json_populate_recordset(null::twinhouse.queries, record->'queries');
  delete from twinhouse.queries where query_id < (record->>'oldest')::bigint;
  delete from twinhouse.sessions s using json_populate_recordset(null::twinhouse.sessions, record->'sessions') n
    where s.session_id = n.session_id and s.start_time = n.start_time;
  insert into twinhouse.sessions select * from json_populate_recordset(null::twinhouse.sessions, record->'sessions');
  insert into twinhouse.bulk select * from json_populate_recordset(null::twinhouse.bulk, record->'bulk');
end $$;

-- Superusers see everybody's rows, others their own. A view runs with its owner's rights, but for its reader's name.
create function twinhouse.is_superuser() returns boolean language sql stable as
$$ select pg_catalog.pg_has_role(current_user, 'pg_monitor', 'member') $$;
create function twinhouse.sees(username text) returns boolean language sql stable as
$$ select username = current_user or twinhouse.is_superuser() $$;
create function twinhouse.now() returns bigint language sql volatile as
$$ select (extract(epoch from pg_catalog.clock_timestamp()) * 1000000)::bigint $$;

-- The engine knows no queues: there is the superuser's, which nothing uses, and one that takes everything at once.
create table twinhouse.queues (service_class int primary key, queueing_strategy text, slots int, name text);
insert into twinhouse.queues values
  (5, 'FIFO Queue Policy', 1, 'Service class for super user'), (100, 'Auto', -1, 'Default queue');

create view twinhouse.seen_queries as
  select q.*, u.usesysid::int as user_id, q.query_type <> 'UTILITY' as on_compute_nodes,
         coalesce(q.end_time, twinhouse.now()) - q.start_time as elapsed
  from twinhouse.queries q left join pg_catalog.pg_user u on u.usename = q.username
  where twinhouse.sees(q.username);

create view pg_catalog.stv_sessions as
  select twinhouse.at(start_time) as starttime, session_id as process, username::char(50) as user_name,
         database_name::char(50) as db_name, 0 as timeout_sec
  from twinhouse.sessions where end_time is null and twinhouse.sees(username);
create view pg_catalog.sys_session_history as
  select u.usesysid::text::char(50) as user_id, s.session_id, s.database_name::char(50) as database_name,
         (case when s.end_time is null then 'active' else 'closed' end)::char(50) as status, 0 as session_timeout,
         twinhouse.at(s.start_time) as start_time, twinhouse.at(s.end_time) as end_time
  from twinhouse.sessions s left join pg_catalog.pg_user u on u.usename = s.username where twinhouse.sees(s.username);

create view pg_catalog.stv_recents as
  select user_id as userid, (case when end_time is null then 'Running' else 'Done' end)::char(20) as status,
         twinhouse.at(start_time) as starttime, least(elapsed, 2147483647)::int as duration, username::char(50) as user_name,
         database_name::char(50) as db_name, query_text::char(600) as query,
         case when end_time is null then session_id else -1 end as pid
  from twinhouse.seen_queries
  where end_time is null or query_id > (select pg_catalog.max(query_id) - 100 from twinhouse.queries);
create view pg_catalog.stv_inflight as
  select user_id as userid, 0 as slice, query_id::int as query, query_label::char(320) as label, transaction_id as xid,
         session_id as pid, twinhouse.at(start_time) as starttime, query_text::char(100) as text, 0 as suspended,
         0 as insert_pristine, 0 as concurrency_scaling_status
  from twinhouse.seen_queries where end_time is null and on_compute_nodes;

create view pg_catalog.sys_query_history as
  select user_id, query_id, query_label::char(320) as query_label, transaction_id, session_id,
         database_name::char(128) as database_name, query_type::char(32) as query_type, status::char(10) as status,
         false as result_cache_hit, twinhouse.at(start_time) as start_time, twinhouse.at(end_time) as end_time,
         elapsed as elapsed_time, 0::bigint as queue_time, elapsed as execution_time,
         error_message::char(512) as error_message, returned_rows, returned_bytes, query_text::char(4000) as query_text,
         pg_catalog.version()::char(256) as redshift_version, null::char(150) as usage_limit,
         'primary'::varchar(32) as compute_type, null::bigint as compile_time, null::bigint as planning_time,
         null::bigint as lock_wait_time, (select service_class from twinhouse.server) as service_class_id,
         (select queue_name from twinhouse.server)::char(64) as service_class_name,
         'Normal'::char(20) as query_priority, 'false'::char(10) as short_query_accelerated, null::char(40) as user_query_hash,
         null::char(40) as generic_query_hash, null::int as query_hash_version, null::int as result_cache_query_id,
         username::char(128) as username
  from twinhouse.seen_queries;
create view pg_catalog.sys_query_text as
  select user_id, query_id, transaction_id, session_id, twinhouse.at(start_time) as start_time, part as sequence,
         pg_catalog.substr(whole, part * 4000 + 1, 4000)::char(4000) as text
  from (select *, pg_catalog.replace(query_text, chr(10), '\\n') as whole from twinhouse.seen_queries) q
  cross join lateral pg_catalog.generate_series(0, (greatest(pg_catalog.length(whole), 1) - 1) / 4000) as part;

create view pg_catalog.stl_query as
  select user_id as userid, query_id::int as query, query_label::char(320) as label, transaction_id as xid,
         session_id as pid, database_name::char(32) as database, query_text::char(4000) as querytxt,
         twinhouse.at(start_time) as starttime, twinhouse.at(end_time) as endtime,
         (case when status = 'success' then 0 else 1 end) as aborted, 0 as insert_pristine, 0 as concurrency_scaling_status
  from twinhouse.seen_queries where end_time is not null and on_compute_nodes;
create view pg_catalog.stl_querytext as
  select user_id as userid, transaction_id as xid, session_id as pid, query_id::int as query, part as sequence,
         pg_catalog.substr(whole, part * 200 + 1, 200)::char(200) as text
  from (select *, pg_catalog.replace(query_text, chr(10), '\\n') as whole from twinhouse.seen_queries where on_compute_nodes) q
  cross join lateral pg_catalog.generate_series(0, (greatest(pg_catalog.length(whole), 1) - 1) / 200) as part;
create view pg_catalog.svl_qlog as
  select userid, query, xid, pid, starttime, endtime,
         (extract(epoch from endtime - starttime) * 1000000)::bigint as elapsed, aborted, label,
         querytxt::char(60) as substring, null::int as source_query, 'primary'::text as concurrency_scaling_status_txt,
         0 as from_sp_call
  from pg_catalog.stl_query;
create view pg_catalog.stl_wlm_query as
  select user_id as userid, transaction_id::int as xid, query_id::int as task, query_id::int as query, 100 as service_class,
         1 as slot_count, twinhouse.at(start_time) as service_class_start_time, twinhouse.at(start_time) as queue_start_time,
         twinhouse.at(start_time) as queue_end_time, 0::bigint as total_queue_time, twinhouse.at(start_time) as exec_start_time,
         twinhouse.at(end_time) as exec_end_time, elapsed as total_exec_time,
         twinhouse.at(end_time) as service_class_end_time,
         (case when status = 'success' then 'Completed' else 'Evicted' end)::char(16) as final_state,
         null::bigint as est_peak_mem, 'Normal'::char(20) as query_priority, 'Default queue'::char(64) as service_class_name
  from twinhouse.seen_queries where end_time is not null and on_compute_nodes;
-- No spill, no skew, no blocks are known of the engine's queries, and short ones have no row there either.
create view pg_catalog.svl_query_metrics_summary as
  select user_id as userid, query_id::int as query, 100 as service_class, null::bigint as query_cpu_time,
         null::bigint as query_blocks_read, elapsed / 1000000 as query_execution_time,
         null::numeric(38, 2) as query_cpu_usage_percent, null::bigint as query_temp_blocks_to_disk,
         null::bigint as segment_execution_time, null::numeric(38, 2) as cpu_skew, null::numeric(38, 2) as io_skew,
         null::bigint as scan_row_count, null::bigint as join_row_count, null::bigint as nested_loop_join_row_count,
         returned_rows as return_row_count, null::bigint as spectrum_scan_row_count, null::bigint as spectrum_scan_size_mb,
         0::bigint as query_queue_time
  from twinhouse.seen_queries where end_time is not null and on_compute_nodes and elapsed >= 1000000;
create view pg_catalog.sys_query_detail as
  select null::int as user_id, null::bigint as query_id, null::int as child_query_sequence, null::int as stream_id,
         null::int as segment_id, null::int as step_id, null::text as step_name, null::int as table_id,
         null::char(136) as table_name, null::char(1) as is_rrscan, null::timestamp as start_time, null::timestamp as end_time,
         null::bigint as duration, null::text as alert, null::bigint as input_bytes, null::bigint as input_rows,
         null::bigint as output_bytes, null::bigint as output_rows, null::bigint as blocks_read, null::bigint as blocks_write,
         null::bigint as local_read_io, null::bigint as remote_read_io, null::text as source, null::int as data_skewness,
         null::int as time_skewness, null::char(1) as is_active, null::bigint as spilled_block_local_disk,
         null::bigint as spilled_block_remote_disk, null::char(64) as step_attribute, null::char(64) as metrics_level,
         null::int as plan_parent_id, null::int as plan_node_id
  where false;

create view pg_catalog.stv_wlm_service_class_config as
  select service_class, queueing_strategy::char(32) as queueing_strategy, slots as num_query_tasks,
         slots as target_num_query_tasks, 'false'::char(8) as evictable, 0::bigint as eviction_threshold,
         -1 as query_working_mem, -1 as target_query_working_mem, 0 as min_step_mem, name::char(64) as name,
         0::bigint as max_execution_time, false as user_group_wild_card, false as query_group_wild_card,
         'off'::char(20) as concurrency_scaling, 'Normal'::char(20) as query_priority, false as user_role_wild_card
  from twinhouse.queues where twinhouse.is_superuser();
create view pg_catalog.stv_wlm_service_class_state as
  select s.service_class, 0 as num_queued_queries,
         pg_catalog.count(q.query_id) filter (where q.end_time is null)::int as num_executing_queries,
         pg_catalog.count(q.query_id) filter (where q.end_time is not null)::int as num_serviced_queries,
         pg_catalog.count(q.query_id) filter (where q.end_time is not null)::int as num_executed_queries,
         0 as num_evicted_queries, 0 as num_concurrency_scaling_queries
  from twinhouse.queues s
  left join twinhouse.queries q on s.service_class = 100 and q.query_type <> 'UTILITY'
  where twinhouse.is_superuser() group by s.service_class;
create view pg_catalog.stv_wlm_query_state as
  select transaction_id::int as xid, query_id::int as task, query_id::int as query, 100 as service_class, 1 as slot_count,
         twinhouse.at(start_time) as wlm_start_time, 'Running'::char(16) as state, 0::bigint as queue_time,
         elapsed as exec_time, 'Normal'::char(20) as query_priority
  from twinhouse.seen_queries where end_time is null and on_compute_nodes;
create view pg_catalog.stv_wlm_query_queue_state as
  select null::int as service_class, null::int as position, null::int as task, null::int as query, null::int as slot_count,
         null::timestamp as start_time, null::bigint as queue_time where false;
create view pg_catalog.stv_wlm_classification_config as
  select service_class as id, (case service_class when 5 then '(super user) and (query group: superuser)' else '(all)' end)::char(128) as condition,
         0 as action_seq, 'assign'::char(64) as action, service_class as action_service_class
  from twinhouse.queues where twinhouse.is_superuser();
create view pg_catalog.stv_slices as
  select 0 as node, 0 as slice, 0 as localslice, 'D'::char(1) as type
  where twinhouse.is_superuser();
