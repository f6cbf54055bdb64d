-- A right of a profile, or of PUBLIC, outside the profile's own schema.
-- Why: what a profile may read is the views in its own schema; the catalog is for reading only, and everything else is
-- closed. An extension's own relations are not asked.
with reader as (
  select r.oid, r.rolname::text as name, p.schema_name from lakeward.profile p join pg_roles r on r.rolname = p.role_name
  union all
  select 0, 'PUBLIC', ''
),
area as (
  select n.oid, n.nspname::text as name, n.nspacl, n.nspowner
  from pg_namespace n
  where n.nspname in ('lakeward', 'lake', 'jobs', 'public') or n.nspname in (select schema_name from lakeward.profile)
),
held as (
  select area.name as schema_name, format('%I.%I', area.name, c.relname) as object, a.grantee, a.privilege_type
  from area
  join pg_class c on c.relnamespace = area.oid
  cross join lateral (
    select x.grantee, x.privilege_type from aclexplode(c.relacl) x
    union all
    select x.grantee, x.privilege_type
    from pg_attribute t cross join lateral aclexplode(t.attacl) x
    where t.attrelid = c.oid and t.attacl is not null
  ) a
  where not exists (
    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
  )
  union all
  select area.name, format('schema %I', area.name), a.grantee, a.privilege_type
  from area cross join lateral aclexplode(coalesce(area.nspacl, acldefault('n', area.nspowner))) a
  -- CREATE for PUBLIC is 0018's
  where area.name not in ('lakeward', 'public') and not (a.grantee = 0 and a.privilege_type = 'CREATE')
)
select held.object, format('%s has %s', reader.name, held.privilege_type) as detail
from held
join reader on reader.oid = held.grantee
where not (held.schema_name = reader.schema_name and held.privilege_type in ('SELECT', 'USAGE'))
  and not (held.schema_name = 'lakeward' and held.privilege_type = 'SELECT')
