-- Redshift's functions, in SQL.
create function pg_catalog.version() returns text language sql stable as
$$ select 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467'::text $$;

create function twinhouse.datepart(part text) returns text language sql immutable strict as
$$ select case pg_catalog.lower(part)
     when 'y' then 'year' when 'yr' then 'year' when 'yrs' then 'year' when 'years' then 'year'
     when 'qtr' then 'quarter' when 'qtrs' then 'quarter' when 'quarters' then 'quarter'
     when 'mon' then 'month' when 'mons' then 'month' when 'months' then 'month'
     when 'w' then 'week' when 'weeks' then 'week' when 'd' then 'day' when 'days' then 'day'
     when 'h' then 'hour' when 'hr' then 'hour' when 'hrs' then 'hour' when 'hours' then 'hour'
     when 'm' then 'minute' when 'min' then 'minute' when 'mins' then 'minute' when 'minutes' then 'minute'
     when 's' then 'second' when 'sec' then 'second' when 'secs' then 'second' when 'seconds' then 'second'
     when 'ms' then 'millisecond' when 'msec' then 'millisecond' when 'milliseconds' then 'millisecond'
     when 'us' then 'microsecond' when 'usec' then 'microsecond' when 'microsec' then 'microsecond'
     when 'microseconds' then 'microsecond' else pg_catalog.lower(part) end $$;
create function twinhouse.span(part text, n bigint) returns interval language sql immutable strict as
$$ select case twinhouse.datepart(part) when 'quarter' then n * 3 * interval '1 month'
     else n * ('1 ' || twinhouse.datepart(part))::interval end $$;
create function pg_catalog.dateadd(part text, n bigint, at timestamp) returns timestamp language sql immutable strict as
$$ select at + twinhouse.span(part, n) $$;
create function pg_catalog.dateadd(part text, n bigint, at timestamptz) returns timestamptz language sql stable strict as
$$ select at + twinhouse.span(part, n) $$;
create function pg_catalog.dateadd(part text, n bigint, at date) returns timestamp language sql immutable strict as
$$ select at + twinhouse.span(part, n) $$;
create function pg_catalog.datediff(part text, a timestamp, b timestamp) returns bigint language sql immutable strict as
$$ select (case twinhouse.datepart(part)
     when 'year' then extract(year from b) - extract(year from a)
     when 'quarter' then (extract(year from b) - extract(year from a)) * 4 + extract(quarter from b) - extract(quarter from a)
     when 'month' then (extract(year from b) - extract(year from a)) * 12 + extract(month from b) - extract(month from a)
     when 'week' then (pg_catalog.date_trunc('week', b)::date - pg_catalog.date_trunc('week', a)::date) / 7
     when 'day' then b::date - a::date
     when 'microsecond' then extract(epoch from b - a) * 1000000
     when 'millisecond' then pg_catalog.floor(extract(epoch from b) * 1000) - pg_catalog.floor(extract(epoch from a) * 1000)
     else extract(epoch from pg_catalog.date_trunc(twinhouse.datepart(part), b) - pg_catalog.date_trunc(twinhouse.datepart(part), a))
       / extract(epoch from twinhouse.span(part, 1)) end)::bigint $$;
create function pg_catalog.datediff(part text, a timestamptz, b timestamptz) returns bigint language sql stable strict as
$$ select pg_catalog.datediff(part, a at time zone 'UTC', b at time zone 'UTC') $$;
create function pg_catalog.datediff(part text, a date, b date) returns bigint language sql immutable strict as
$$ select pg_catalog.datediff(part, a::timestamp, b::timestamp) $$;
create function pg_catalog.convert_timezone(source text, target text, at timestamp) returns timestamp language sql stable strict as
$$ select (at at time zone source) at time zone target $$;
create function pg_catalog.convert_timezone(target text, at timestamp) returns timestamp language sql stable strict as
$$ select (at at time zone 'UTC') at time zone target $$;
create function pg_catalog.last_day(at timestamp) returns date language sql immutable strict as
$$ select (pg_catalog.date_trunc('month', at) + interval '1 month - 1 day')::date $$;
create function pg_catalog.add_months(at timestamp, n bigint) returns timestamp language sql immutable strict as
$$ select case when at::date = pg_catalog.last_day(at::date)
     then pg_catalog.last_day((at + n * interval '1 month')::date) + at::time else at + n * interval '1 month' end $$;
create function pg_catalog.trunc(at timestamp) returns date language sql immutable strict as $$ select at::date $$;

create function pg_catalog.len(text) returns int language sql immutable strict as $$ select pg_catalog.length($1) $$;
create function pg_catalog.charindex(what text, within text) returns int language sql immutable strict as
$$ select pg_catalog.strpos(within, what) $$;
create function pg_catalog.sha2(value text, bits int) returns text language sql immutable strict as
$$ select pg_catalog.encode(case bits
     when 224 then pg_catalog.sha224(pg_catalog.convert_to(value, 'UTF8'))
     when 384 then pg_catalog.sha384(pg_catalog.convert_to(value, 'UTF8'))
     when 512 then pg_catalog.sha512(pg_catalog.convert_to(value, 'UTF8'))
     else pg_catalog.sha256(pg_catalog.convert_to(value, 'UTF8')) end, 'hex') $$;

create function pg_catalog.json_parse(text) returns super language sql immutable strict as $$ select $1::jsonb::super $$;
create function pg_catalog.json_typeof(super) returns text language sql immutable strict as
$$ select pg_catalog.jsonb_typeof($1::jsonb) $$;
create function pg_catalog.is_valid_json(text) returns boolean language plpgsql immutable strict as
$$ begin perform $1::jsonb; return pg_catalog.jsonb_typeof($1::jsonb) in ('object', 'array');
   exception when others then return false; end $$;

create function pg_catalog.to_varbyte(value text, format text) returns varbyte language sql immutable strict as
$$ select (case pg_catalog.lower(format) when 'hex' then pg_catalog.decode(value, 'hex')
     when 'base64' then pg_catalog.decode(value, 'base64') else pg_catalog.convert_to(value, 'UTF8') end)::varbyte $$;
create function pg_catalog.from_hex(text) returns varbyte language sql immutable strict as
$$ select pg_catalog.decode($1, 'hex')::varbyte $$;
create function pg_catalog.to_hex(varbyte) returns text language sql immutable strict as
$$ select pg_catalog.encode($1::bytea, 'hex') $$;
create function pg_catalog.from_varbyte(value varbyte, format text) returns text language sql immutable strict as
$$ select case pg_catalog.lower(format) when 'hex' then pg_catalog.encode(value::bytea, 'hex')
     when 'base64' then pg_catalog.encode(value::bytea, 'base64') else pg_catalog.convert_from(value::bytea, 'UTF8') end $$;
create function pg_catalog.octet_length(varbyte) returns int language sql immutable strict as
$$ select pg_catalog.octet_length($1::bytea) $$;

-- The front writes the value between the brackets.
create function pg_catalog.pg_last_query_id(bigint) returns bigint language sql stable as $$ select $1 $$;
create function pg_catalog.last_user_query_id(bigint) returns bigint language sql stable as $$ select $1 $$;
create function pg_catalog.pg_last_copy_id(bigint) returns int language sql stable as $$ select $1::int $$;
create function pg_catalog.pg_last_copy_count(bigint) returns bigint language sql stable as $$ select $1 $$;
create function pg_catalog.pg_last_unload_id(bigint) returns int language sql stable as $$ select $1::int $$;
create function pg_catalog.pg_last_unload_count(bigint) returns bigint language sql stable as $$ select $1 $$;

-- The engine's own aggregate has been given this name for text; this one is for everything else.
create function twinhouse.listagg_add(collected text, value anynonarray, separator text) returns text language sql immutable as
$$ select case when value is null then collected when collected is null then value::text
     else collected || coalesce(separator, '') || value::text end $$;
create aggregate pg_catalog.listagg(anynonarray, text) (sfunc = twinhouse.listagg_add, stype = text);

-- AVG of whole numbers is a whole number.
create function twinhouse.whole_average(bigint[]) returns bigint language sql immutable strict as
$$ select case when $1[1] = 0 then null else $1[2] / $1[1] end $$;
create aggregate pg_catalog.avg(smallint)
  (sfunc = int2_avg_accum, stype = bigint[], finalfunc = twinhouse.whole_average, initcond = '{0,0}');
create aggregate pg_catalog.avg(integer)
  (sfunc = int4_avg_accum, stype = bigint[], finalfunc = twinhouse.whole_average, initcond = '{0,0}');
create function twinhouse.whole_average_add(numeric[], bigint) returns numeric[] language sql immutable as
$$ select case when $2 is null then $1 else array[$1[1] + 1, $1[2] + $2] end $$;
create function twinhouse.whole_average(numeric[]) returns bigint language sql immutable strict as
$$ select case when $1[1] = 0 then null else pg_catalog.trunc($1[2] / $1[1])::bigint end $$;
create aggregate pg_catalog.avg(bigint)
  (sfunc = twinhouse.whole_average_add, stype = numeric[], finalfunc = twinhouse.whole_average, initcond = '{0,0}');
