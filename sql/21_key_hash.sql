-- A row key that can be recognised and not read: HMAC-SHA256 of its text as a value of its type, with the deployment's key.
-- After erasure it is all that is left of a key, and what keeps the subject from coming back with the next file.
create or replace function lakeward.key_hash(key text, key_type text) returns bytea
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  secret lakeward.secret;
  hash bytea;
begin
  select s.* into strict secret from lakeward.secret s;
  execute format('select %s', lakeward.key_hash_sql(format('$3::%s', key_type::regtype), key_type))
  into hash using secret.hmac_outer, secret.hmac_inner, key;
  return hash;
end $$;
