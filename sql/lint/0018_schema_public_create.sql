-- A schema in which PUBLIC may create.
-- Why: whoever creates in a schema that is on another's search_path decides what that other one executes.
select format('schema %I', n.nspname) as object, 'PUBLIC has CREATE' as detail
from pg_namespace n
cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
where a.grantee = 0
  and a.privilege_type = 'CREATE'
  and not starts_with(n.nspname, 'pg_')
