-- What the service needs to know to authenticate an API key; the comparison of the secret is the caller's.
create or replace function lakeward.find_key(key_id text)
returns table (
  id text, name text, kind text, model text, secret_sha256 bytea, revoked boolean,
  profile_id text, role_name text, access_role text
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select k.id, k.name, k.kind, k.model, k.secret_sha256, k.revoked_at is not null,
    p.id, p.role_name, p.access_role
  from lakeward.api_key k left join lakeward.profile p on p.id = k.profile_id
  where k.id = key_id
$$;
