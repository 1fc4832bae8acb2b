-- Functions of Redshift that the engine lacks, or has with another meaning. Their own words stand in names of ours, so that
-- a call finds Redshift's.
do $$
declare routine regprocedure;
begin
  for routine in
    select oid from pg_catalog.pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and proname in ('regexp_replace', 'regexp_substr', 'regexp_count', 'concat')
  loop
    execute format('alter routine %s rename to %I', routine,
      'twinhouse_' || (select proname from pg_catalog.pg_proc where oid = routine));
  end loop;
end $$;

create function pg_catalog.json_serialize(super) returns text language sql immutable strict as
$$ select pg_catalog.twinhouse_regexp_replace($1::jsonb::text, '("(?:[^"\\\\]|\\\\.)*")|([:,]) ', '\\1\\2', 'g') $$;

-- Dates: in the session's zone; GETDATE has no fraction of a second.
create function pg_catalog.getdate() returns timestamp language sql stable as
$$ select pg_catalog.date_trunc('second', pg_catalog.statement_timestamp()::timestamp) $$;
create function pg_catalog.sysdate() returns timestamp language sql stable as
$$ select pg_catalog.transaction_timestamp()::timestamp $$;
create function pg_catalog.next_day(at timestamp, day text) returns date language plpgsql immutable strict as $$
declare wanted int := (pg_catalog.strpos('sumotuwethfrsa', pg_catalog.left(pg_catalog.lower(day), 2)) + 1) / 2;
begin
  if pg_catalog.strpos('sunday monday tuesday wednesday thursday friday saturday', pg_catalog.lower(day)) = 0 or length(day) < 2 then
    raise exception 'invalid day of week: %', day using errcode = '22023';
  end if;
  return at::date + 1 + (wanted - 1 - extract(dow from at)::int + 6) % 7;
end $$;
create function pg_catalog.months_between(a timestamp, b timestamp) returns double precision language sql immutable strict as $$
  select (extract(year from a) - extract(year from b)) * 12 + extract(month from a) - extract(month from b)
    + case
        when extract(day from a) = extract(day from b)
          or (a::date = pg_catalog.last_day(a::date) and b::date = pg_catalog.last_day(b::date)) then 0
        else (extract(day from a) - extract(day from b)
          + (extract(epoch from a::time) - extract(epoch from b::time)) / 86400) / 31
      end $$;
create function pg_catalog.date_part_year(at date) returns int language sql immutable strict as
$$ select extract(year from at)::int $$;
-- Text. CONCAT takes two and gives NULL for NULL.
create function pg_catalog.concat(a text, b text) returns text language sql immutable strict as $$ select a || b $$;
create function pg_catalog.replicate(value text, times int) returns text language sql immutable strict as
$$ select pg_catalog.repeat(value, times) $$;
create function pg_catalog.strtol(digits text, base int) returns bigint language plpgsql immutable strict as $$
declare
  negative boolean := pg_catalog.left(digits, 1) = '-';
  rest text := pg_catalog.lower(pg_catalog.ltrim(digits, '+-'));
  value numeric := 0;
  at int;
  one int;
begin
  if base not between 2 and 36 then
    raise exception 'The base % is out of range for function strtol', base using errcode = '22023';
  end if;
  if base = 16 and pg_catalog.left(rest, 2) = '0x' then
    rest := pg_catalog.substr(rest, 3);
  end if;
  for at in 1 .. pg_catalog.length(rest) loop
    one := pg_catalog.strpos('0123456789abcdefghijklmnopqrstuvwxyz', pg_catalog.substr(rest, at, 1)) - 1;
    if one < 0 or one >= base then
      raise exception 'The input % is not valid to be converted to base %', digits, base using errcode = '22023';
    end if;
    value := value * base + one;
  end loop;
  return case when negative then -value else value end;
end $$;

-- Numbers: digits of a float are kept, too; half goes away from zero, as the number reads.
create function pg_catalog.round(value double precision, digits int) returns double precision language sql immutable strict as
$$ select case when value in ('NaN', 'Infinity', '-Infinity') then value
     else pg_catalog.round(value::numeric, digits)::double precision end $$;
create function pg_catalog.trunc(value double precision, digits int) returns double precision language sql immutable strict as
$$ select case when value in ('NaN', 'Infinity', '-Infinity') then value
     else pg_catalog.trunc(value::numeric, digits)::double precision end $$;

-- Patterns: all matches are replaced, no match is empty text, and flags are Redshift's.
create function twinhouse.flags(given text) returns text language plpgsql immutable strict as $$
begin
  if given !~ '^[ceip]*$' then
    raise exception 'invalid regular expression parameter: %', given using errcode = '22023';
  end if;
  return pg_catalog.translate(given, 'ep', '');
end $$;
create function pg_catalog.regexp_replace(source text, pattern text, replacement text, start int, flags text)
  returns text language plpgsql immutable strict as $$
begin
  if replacement ~ '[$\\\\][0-9&]' then
    raise exception 'back-references in REGEXP_REPLACE are not supported by the sandbox' using errcode = '0A000';
  end if;
  return pg_catalog.twinhouse_regexp_replace(source, pattern, pg_catalog.replace(replacement, '\\', '\\\\'), start, 0,
    twinhouse.flags(flags));
end $$;
create function pg_catalog.regexp_replace(source text, pattern text, replacement text, start int)
  returns text language sql immutable strict as
$$ select pg_catalog.regexp_replace(source, pattern, replacement, start, '') $$;
create function pg_catalog.regexp_replace(source text, pattern text, replacement text) returns text language sql immutable strict as
$$ select pg_catalog.regexp_replace(source, pattern, replacement, 1, '') $$;
create function pg_catalog.regexp_replace(source text, pattern text) returns text language sql immutable strict as
$$ select pg_catalog.regexp_replace(source, pattern, '', 1, '') $$;
create function pg_catalog.regexp_substr(source text, pattern text, start int, occurrence int, flags text)
  returns text language sql immutable strict as
$$ select coalesce(pg_catalog.twinhouse_regexp_substr(source, pattern, start, occurrence, twinhouse.flags(flags),
     case when pg_catalog.strpos(flags, 'e') > 0 then 1 else 0 end), '') $$;
create function pg_catalog.regexp_substr(source text, pattern text, start int, occurrence int) returns text language sql immutable strict as
$$ select pg_catalog.regexp_substr(source, pattern, start, occurrence, '') $$;
create function pg_catalog.regexp_substr(source text, pattern text, start int) returns text language sql immutable strict as
$$ select pg_catalog.regexp_substr(source, pattern, start, 1, '') $$;
create function pg_catalog.regexp_substr(source text, pattern text) returns text language sql immutable strict as
$$ select pg_catalog.regexp_substr(source, pattern, 1, 1, '') $$;
create function pg_catalog.regexp_count(source text, pattern text, start int, flags text) returns int language sql immutable strict as
$$ select pg_catalog.twinhouse_regexp_count(source, pattern, start, twinhouse.flags(flags)) $$;
create function pg_catalog.regexp_count(source text, pattern text, start int) returns int language sql immutable strict as
$$ select pg_catalog.regexp_count(source, pattern, start, '') $$;
create function pg_catalog.regexp_count(source text, pattern text) returns int language sql immutable strict as
$$ select pg_catalog.regexp_count(source, pattern, 1, '') $$;

-- SHA-1, as RFC 3174 has it: the engine has none of its own.
create function pg_catalog.sha1(value text) returns text language plpgsql immutable strict as $$
declare
  message bytea := pg_catalog.convert_to(value, 'UTF8');
  bits bigint := pg_catalog.length(message)::bigint * 8;
  mask constant bigint := 4294967295;
  h bigint[] := array[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
  w bigint[];
  a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; t bigint;
  block int;
begin
  message := message || pg_catalog.decode('80', 'hex');
  message := message || pg_catalog.decode(pg_catalog.repeat('00', ((56 - pg_catalog.length(message) % 64) + 64) % 64), 'hex')
    || pg_catalog.int8send(bits);
  for block in 0 .. pg_catalog.length(message) / 64 - 1 loop
    for i in 0 .. 79 loop
      if i < 16 then
        w[i] := 0;
        for j in 0 .. 3 loop
          w[i] := w[i] * 256 + pg_catalog.get_byte(message, block * 64 + i * 4 + j);
        end loop;
      else
        t := (w[i - 3] # w[i - 8]) # (w[i - 14] # w[i - 16]);
        w[i] := ((t << 1) | (t >> 31)) & mask;
      end if;
    end loop;
    a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
    for i in 0 .. 79 loop
      case i / 20
        when 0 then f := (b & c) | ((b # mask) & d); k := 1518500249;
        when 1 then f := b # c # d; k := 1859775393;
        when 2 then f := (b & c) | (b & d) | (c & d); k := 2400959708;
        else f := b # c # d; k := 3395469782;
      end case;
      t := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i]) & mask;
      e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := t;
    end loop;
    h := array[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask, (h[5] + e) & mask];
  end loop;
  return pg_catalog.lpad(pg_catalog.to_hex(h[1]), 8, '0') || pg_catalog.lpad(pg_catalog.to_hex(h[2]), 8, '0')
    || pg_catalog.lpad(pg_catalog.to_hex(h[3]), 8, '0') || pg_catalog.lpad(pg_catalog.to_hex(h[4]), 8, '0')
    || pg_catalog.lpad(pg_catalog.to_hex(h[5]), 8, '0');
end $$;
create function pg_catalog.func_sha1(text) returns text language sql immutable strict as $$ select pg_catalog.sha1($1) $$;
create function pg_catalog.sha(text) returns text language sql immutable strict as $$ select pg_catalog.sha1($1) $$;

-- JSON in text. What is no JSON is an error, or NULL where the last argument says so.
create function twinhouse.json(value text, null_if_invalid boolean) returns jsonb language plpgsql immutable strict as $$
begin
  return value::jsonb;
exception when invalid_text_representation or untranslatable_character then
  if null_if_invalid then return null; end if;
  raise exception 'JSON parsing error' using errcode = 'XX000', detail = 'code: 8001, context: invalid json object ' || value;
end $$;
alter routine pg_catalog.json_extract_path_text(json, text[]) rename to twinhouse_json_extract_path_text;
create function pg_catalog.json_extract_path_text(document text, variadic path text[]) returns text language plpgsql immutable strict as $$
declare
  length int := pg_catalog.array_length(path, 1);
  quiet boolean := false;
begin
  -- The front writes a flag at the end in these words.
  if path[length] in ('twinhouse true', 'twinhouse false') then
    quiet := path[length] = 'twinhouse true';
    path := path[1:length - 1];
    length := length - 1;
  end if;
  if length not between 1 and 5 then
    raise exception 'JSON_EXTRACT_PATH_TEXT takes one to five path elements' using errcode = '42883';
  end if;
  return pg_catalog.jsonb_extract_path_text(twinhouse.json(document, quiet), variadic path);
end $$;
create function pg_catalog.json_extract_array_element_text(document text, at int, quiet boolean) returns text
  language plpgsql immutable strict as $$
declare found jsonb := twinhouse.json(document, quiet);
begin
  if found is not null and pg_catalog.jsonb_typeof(found) <> 'array' then
    if quiet then return null; end if;
    raise exception 'JSON parsing error' using errcode = 'XX000', detail = 'code: 8001, context: not an array';
  end if;
  return case when at >= 0 then pg_catalog.jsonb_array_element_text(found, at) end;
end $$;
create function pg_catalog.json_extract_array_element_text(document text, at int) returns text language sql immutable strict as
$$ select pg_catalog.json_extract_array_element_text(document, at, false) $$;
create function pg_catalog.json_array_length(document text, quiet boolean) returns int language plpgsql immutable strict as $$
declare found jsonb := twinhouse.json(document, quiet);
begin
  if found is not null and pg_catalog.jsonb_typeof(found) <> 'array' then
    if quiet then return null; end if;
    raise exception 'JSON parsing error' using errcode = 'XX000', detail = 'code: 8001, context: not an array';
  end if;
  return pg_catalog.jsonb_array_length(found);
end $$;
create function pg_catalog.json_array_length(document text) returns int language sql immutable strict as
$$ select pg_catalog.json_array_length(document, false) $$;
create function pg_catalog.is_valid_json_array(text) returns boolean language plpgsql immutable strict as
$$ begin return pg_catalog.jsonb_typeof($1::jsonb) = 'array'; exception when others then return false; end $$;
create function pg_catalog.can_json_parse(text) returns boolean language plpgsql immutable strict as
$$ begin perform $1::jsonb; return true; exception when others then return false; end $$;

-- Any of the values of a group.
create function twinhouse.first_of(kept anyelement, next anyelement) returns anyelement language sql immutable as
$$ select coalesce(kept, next) $$;
do $$
begin
  if not exists (select from pg_catalog.pg_proc where proname = 'any_value') then
    create aggregate pg_catalog.any_value(anyelement) (sfunc = twinhouse.first_of, stype = anyelement);
  end if;
end $$;
