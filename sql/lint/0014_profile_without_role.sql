-- A profile whose role or schema is not there.
-- Why: nothing can be read as it, and a role that somebody makes under the name inherits its bindings.
select 'profile ' || p.id as object,
  format('%s %I does not exist', case when r.oid is null then 'role' else 'schema' end,
    case when r.oid is null then p.role_name else p.schema_name end) as detail
from lakeward.profile p
left join pg_roles r on r.rolname = p.role_name
left join pg_namespace n on n.nspname = p.schema_name
where r.oid is null or n.oid is null
