-- Last: everybody may read the views.
do $$
declare made regclass;
begin
  for made in
    select oid from pg_catalog.pg_class
    where relkind = 'v' and relnamespace = 'pg_catalog'::regnamespace and oid >= 16384
  loop
    execute format('grant select on %s to public', made);
  end loop;
end $$;
grant usage on schema twinhouse to public;
grant all on schema public to public;
