-- Default privileges by which what is made next is readable by PUBLIC or a profile.
-- Why: every dataset is a new table and every upgrade makes functions anew; a default privilege gives each of them away the moment
-- it is made, and nobody has to do anything wrong any more. Entries of readers are theirs and touch only what they make.
with reader as (
  select r.oid, r.rolname::text as name from lakeward.profile p join pg_roles r on r.rolname = p.role_name
  union all
  select 0, 'PUBLIC'
)
select 'default privileges of ' || m.rolname || coalesce(' in schema ' || n.nspname, '') as object,
  format(
    '%s gets %s on every new %s', reader.name, a.privilege_type, case f.defaclobjtype
      when 'r' then 'table' when 'S' then 'sequence' when 'f' then 'function' when 'T' then 'type' when 'n' then 'schema'
      else 'object'
    end
  ) as detail
from pg_default_acl f
join pg_roles m on m.oid = f.defaclrole
cross join lakeward.deployment d
left join pg_namespace n on n.oid = f.defaclnamespace
cross join lateral aclexplode(f.defaclacl) a
join reader on reader.oid = a.grantee
where (
    m.rolsuper
    or m.rolname in (d.owner_role, d.gate_role, d.steward_role)
    or m.oid in (select u.member from pg_auth_members u join pg_roles o on o.oid = u.roleid where o.rolname = d.owner_role)
  )
  and (
    n.nspname is null
    or n.nspname in ('lakeward', 'record', 'lake', 'vec', 'jobs')
    or n.nspname in (select schema_name from lakeward.profile)
  )
  -- what Postgres gives to PUBLIC without being asked is written down, too, once anything else is
  and not (n.nspname is null and a.grantee = 0 and f.defaclobjtype in ('f', 'T'))
