-- The cluster-wide name of one of this deployment's own roles: 'owner', 'gate', 'steward' or 'service'.
create or replace function lakeward.role_of(kind text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select case kind
    when 'owner' then owner_role
    when 'gate' then gate_role
    when 'steward' then steward_role
    when 'service' then service_role
  end
  from lakeward.deployment
$$;
