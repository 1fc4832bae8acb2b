-- ALTER TABLE … APPEND: all rows of one table to another, which leaves the first empty.
create procedure twinhouse.append(target regclass, source regclass, columns text) language plpgsql as $$
declare
  missing text;
  extra text;
  shared text;
  differs text;
begin
  if target = source then
    raise exception 'the target and the source of ALTER TABLE APPEND are the same table' using errcode = '0A000';
  end if;
  select pg_catalog.listagg(case when s.attname is null then pg_catalog.quote_ident(t.attname) end, ', '),
         pg_catalog.listagg(case when t.attname is null then pg_catalog.quote_ident(s.attname) end, ', '),
         pg_catalog.listagg(case when s.attname = t.attname then pg_catalog.quote_ident(t.attname) end, ', '),
         pg_catalog.listagg(case when (s.atttypid, s.atttypmod, s.attnotnull) <> (t.atttypid, t.atttypmod, t.attnotnull)
           then pg_catalog.quote_ident(t.attname) end, ', ')
    into missing, extra, shared, differs
  from (select * from pg_catalog.pg_attribute where attrelid = target and attnum > 0 and not attisdropped) t
  full join (select * from pg_catalog.pg_attribute where attrelid = source and attnum > 0 and not attisdropped) s
    on s.attname = t.attname;
  if differs is not null then
    raise exception 'Columns % of the source do not match those of the target', differs using errcode = '0A000';
  end if;
  if extra is not null and columns <> 'ignoreextra' then
    raise exception 'Target table does not have columns %', extra using errcode = '0A000', hint = 'use IGNOREEXTRA';
  end if;
  if missing is not null and columns <> 'filltarget' then
    raise exception 'Source table does not have columns %', missing using errcode = '0A000', hint = 'use FILLTARGET';
  end if;
  execute pg_catalog.format('insert into %s (%s) select %s from %s', target, shared, shared, source);
  execute pg_catalog.format('delete from %s', source);
end $$;

-- Late-binding views are refused, so there are no columns of any.
create function pg_catalog.pg_get_late_binding_view_cols() returns setof record language sql stable as
$$ select null::name, null::name, null::name, null::varchar, null::int where false $$;
