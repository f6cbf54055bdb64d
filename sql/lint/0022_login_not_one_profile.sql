-- A power user's login that is more than the one profile it was made for.
-- Why: it runs its own SQL, so everything that it can SET ROLE to or inherits is what it can see.
with login as (
  select distinct u.oid, u.rolname, u.rolsuper, u.rolbypassrls, u.rolcreaterole, u.rolcreatedb, u.rolreplication
  from lakeward.profile p
  join pg_roles g on g.rolname = p.role_name
  join pg_auth_members m on m.roleid = g.oid
  join pg_roles u on u.oid = m.member
  -- the service may become every profile, and the owner made them; what those two must not be is 0015's and 0016's
  where u.rolcanlogin
    and not exists (select from lakeward.deployment d where u.rolname in (d.service_role, d.owner_role))
)
select login.rolname::text as object, w.detail
from login
cross join lateral (
  select 'member of ' || string_agg(g.rolname, ', ' order by g.rolname) as detail
  from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = login.oid
  having count(distinct m.roleid) > 1
  union all
  select 'may grant ' || g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid
  where m.member = login.oid and m.admin_option
  union all
  select 'attribute ' || a.name from (
    values
      ('SUPERUSER', login.rolsuper), ('BYPASSRLS', login.rolbypassrls), ('CREATEROLE', login.rolcreaterole),
      ('CREATEDB', login.rolcreatedb), ('REPLICATION', login.rolreplication)
  ) a (name, present) where a.present
) w
