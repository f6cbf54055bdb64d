-- A row key in the one spelling of its type: 007 is 7, 1.50 is 1.5, a timestamp with a zone is UTC.
create or replace function lakeward.spell_key(key text, key_type text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  spelled text;
begin
  execute format(
    'select %s', case when key_type = 'numeric' then 'trim_scale($1::numeric)::text' else format('($1::%s)::text', key_type::regtype) end
  ) into spelled using key;
  return spelled;
end $$;
