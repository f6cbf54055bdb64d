-- A row key that can be recognised and not read: HMAC-SHA256 of its text with the deployment's key, as the redaction `hash`
-- has it. After erasure it is all that is left of a key, and what keeps the subject from coming back with the next file.
create or replace function lakeward.key_hash(key text) returns bytea
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select sha256(s.hmac_outer || sha256(s.hmac_inner || convert_to(key, 'UTF8'))) from lakeward.secret s
$$;
