-- A right of a profile, of a person's login or of PUBLIC on something that the other rules do not look at.
-- Why: a right beside the profile's own views is a way around them: a function that runs with the owner's rights, another
-- schema, a foreign server, a parameter. A login has no right of its own at all. What readers can make themselves is left out.
with reader as (
  select r.oid, r.rolname, true as is_profile from lakeward.profile p join pg_roles r on r.rolname = p.role_name
  union
  select u.oid, u.rolname, false
  from lakeward.profile p
  join pg_roles g on g.rolname = p.role_name
  join pg_auth_members m on m.roleid = g.oid
  join pg_roles u on u.oid = m.member
  where not u.rolsuper
    and not exists (select from lakeward.deployment d where u.rolname in (d.service_role, d.owner_role))
),
area as (
  select n.oid from pg_namespace n
  where n.nspname in ('lakeward', 'lake', 'vec', 'record', 'jobs', 'public')
    or n.nspname in (select schema_name from lakeward.profile)
)
select distinct pg_describe_object(s.classid, s.objid, s.objsubid) as object,
  format('%s has a right on it', reader.rolname) as detail
from pg_shdepend s
join reader on reader.oid = s.refobjid
where s.refclassid = 'pg_authid'::regclass
  and s.deptype = 'a'
  and s.dbid in (0, (select oid from pg_database where datname = current_database()))
  and s.classid not in ('pg_largeobject'::regclass, 'pg_default_acl'::regclass, 'pg_auth_members'::regclass)
  -- of a profile these are 0007's, 0010's and 0019's
  and not (reader.is_profile and (
    s.classid = 'pg_class'::regclass and s.objid in (select c.oid from pg_class c where c.relnamespace in (select oid from area))
    or s.classid = 'pg_namespace'::regclass and s.objid in (select oid from area)
  ))
union all
select pg_describe_object(o.classid, o.oid, 0), 'PUBLIC has ' || a.privilege_type
from (
  select 'pg_class'::regclass as classid, c.oid, c.relacl as acl
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relacl is not null
    and n.oid not in (select oid from area)
    and n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and has_schema_privilege('public', n.oid, 'usage')
    and not exists (
      select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
  union all
  select 'pg_foreign_server'::regclass, f.oid, f.srvacl from pg_foreign_server f
  union all
  select 'pg_foreign_data_wrapper'::regclass, w.oid, w.fdwacl from pg_foreign_data_wrapper w
  union all
  select 'pg_parameter_acl'::regclass, p.oid, p.paracl from pg_parameter_acl p
) o
cross join lateral aclexplode(o.acl) a
where a.grantee = 0
