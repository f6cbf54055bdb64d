-- The SQL for the hash of a row key, with the two keys of the HMAC as $1 and $2 (lakeward.secret). What is equal as the key's
-- type has one hash: 1.5 and 1.50, 0 and -0. The text of a date or a float depends on the session: whoever runs this pins
-- datestyle, timezone, extra_float_digits and bytea_output as lakeward.create_tombstones does.
create or replace function lakeward.key_hash_sql(expression text, key_type text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format(
    'sha256($1 || sha256($2 || convert_to(%s, ''UTF8'')))',
    case
      when key_type like 'numeric%' then format('trim_scale(%s)::text', expression)
      when key_type = 'double precision' then format('(%s + 0)::text', expression)
      else format('%s::text', expression)
    end
  )
$$;
