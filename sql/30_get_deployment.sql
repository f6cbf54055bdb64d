-- The names of this deployment's roles and the revision of its schema, for the service when it starts.
create or replace function lakeward.get_deployment()
returns table (
  prefix text, profile_prefix text, owner_role text, gate_role text, steward_role text, service_role text,
  ext_schema text, schema_version text
)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.prefix, d.profile_prefix, d.owner_role, d.gate_role, d.steward_role, d.service_role, d.ext_schema,
    (select v.version_num from lakeward.schema_version v)
  from lakeward.deployment d
$$;
