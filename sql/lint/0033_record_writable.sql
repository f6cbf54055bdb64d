-- A right other than SELECT on what only Lakeward's own functions and triggers write.
-- Why: whoever may insert into the journal or the audit writes history; whoever may write shown_column or index_reader makes the
-- catalog say that a reader sees more or less than it does. The steward, too, goes through the functions.
select format('%I.%I', n.nspname, c.relname) as object,
  format(
    '%s has %s%s', case a.grantee when 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end, a.privilege_type,
    ' of ' || a.attname
  ) as detail
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  select null::name as attname, x.grantee, x.privilege_type from aclexplode(c.relacl) x
  union all
  select t.attname, x.grantee, x.privilege_type
  from pg_attribute t cross join lateral aclexplode(t.attacl) x
  where t.attrelid = c.oid and t.attacl is not null
) a
where (
    n.nspname = 'record'
    or n.nspname = 'lakeward' and c.relname in (
      'journal', 'journal_seal', 'journal_id_seq', 'audit_entry', 'audit_entry_id_seq', 'tombstone', 'shown_column',
      'index_reader', 'secret', 'deployment', 'schema_version'
    )
  )
  and a.privilege_type <> 'SELECT'
  and a.grantee <> c.relowner
  -- of profiles and PUBLIC in lakeward that is 0007's
  and not (
    n.nspname = 'lakeward' and (
      a.grantee = 0
      or a.grantee in (select r.oid from lakeward.profile p join pg_roles r on r.rolname = p.role_name)
    )
  )
