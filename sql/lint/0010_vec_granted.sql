-- A right on an index's tables for a role whose profile is not bound to the index's relation, or more than reading.
-- Why: vec has no row security, so that none stands between a query and HNSW; the grant is the check.
with held as (
  select c.oid, c.relname::text as relname, a.grantee, a.privilege_type
  from pg_class c
  cross join lateral (
    select x.grantee, x.privilege_type from aclexplode(c.relacl) x
    union all
    select x.grantee, x.privilege_type
    from pg_attribute t cross join lateral aclexplode(t.attacl) x
    where t.attrelid = c.oid and t.attacl is not null
  ) a
  where c.relnamespace = 'vec'::regnamespace and a.grantee <> c.relowner
),
allowed as (
  select t.relname, b.role_name, i.relation_id
  from lakeward.vector_index i
  cross join lateral (values (i.name), (i.name || '_text'), (i.name || '_pending')) t (relname)
  cross join lateral (
    select p.role_name from lakeward.binding b join lakeward.profile p on p.id = b.profile_id
    where b.relation_id = i.relation_id
    union all
    select d.steward_role from lakeward.deployment d
  ) b
)
select format('vec.%I', held.relname) as object,
  format(
    '%s has %s', case held.grantee when 0 then 'PUBLIC' else pg_get_userbyid(held.grantee)::text end, held.privilege_type
  ) as detail
from held
where not (
  held.privilege_type = 'SELECT'
  and held.grantee <> 0
  and (held.relname, pg_get_userbyid(held.grantee)::text) in (select relname, role_name from allowed)
)
