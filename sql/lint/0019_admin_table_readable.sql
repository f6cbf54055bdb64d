-- A table of the admin's alone that PUBLIC or a profile may read.
-- Why: keys, jobs, files, rejected rows, tombstones, journal, audit and what a view is made of show what a reader's own
-- relation may hide. The key of `hash` is the gate's, for the views it owns, and nobody else's.
select format('%I.%I', n.nspname, c.relname) as object,
  format('%s has %s', case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, a.privilege_type)
    as detail
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select x.grantee, x.privilege_type from aclexplode(c.relacl) x
  union all
  select x.grantee, x.privilege_type
  from pg_attribute t cross join lateral aclexplode(t.attacl) x
  where t.attrelid = c.oid and t.attacl is not null
) a
cross join lakeward.deployment d
where (
    n.nspname = 'record'
    or n.nspname = 'lakeward' and c.relname in (
      'api_key', 'job', 'dataset_file', 'rejected_row', 'schema_version', 'safe_view_base', 'tombstone', 'erasure',
      'journal', 'journal_seal', 'audit_entry', 'secret', 'bucket_dataset', 'storage_error', 'profile_bucket',
      'bucket_folder', 'cache_pin', 'eval_set', 'eval_query', 'eval_truth', 'trial', 'model_adapter', 'index_gate'
    )
  )
  and a.privilege_type = 'SELECT'
  and a.grantee not in (
    select r.oid from pg_roles r
    where r.rolname = d.owner_role
      or r.rolname = case when c.relname = 'secret' then d.gate_role else d.steward_role end
  )
