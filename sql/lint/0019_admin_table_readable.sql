-- A table of the admin's alone that PUBLIC or a profile may read.
-- Why: keys, jobs, files and rejected rows show what a reader's own relation may hide.
select format('lakeward.%I', c.relname) as object,
  format('%s has %s', case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, a.privilege_type)
    as detail
from pg_class c
cross join lateral (
  select x.grantee, x.privilege_type from aclexplode(c.relacl) x
  union all
  select x.grantee, x.privilege_type
  from pg_attribute t cross join lateral aclexplode(t.attacl) x
  where t.attrelid = c.oid and t.attacl is not null
) a
where c.relnamespace = 'lakeward'::regnamespace
  and c.relname in ('api_key', 'job', 'dataset_file', 'rejected_row', 'schema_version')
  and a.privilege_type = 'SELECT'
  and a.grantee not in (
    select r.oid from pg_roles r join lakeward.deployment d on r.rolname in (d.owner_role, d.steward_role)
  )
