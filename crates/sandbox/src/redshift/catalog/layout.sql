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

create function twinhouse.after_drop() returns event_trigger language plpgsql security definer
set search_path = pg_catalog as $$
begin
  delete from twinhouse.layout l using pg_event_trigger_dropped_objects() d where d.objid = l.relid;
end $$;
create event trigger twinhouse_after_drop on sql_drop execute function twinhouse.after_drop();
