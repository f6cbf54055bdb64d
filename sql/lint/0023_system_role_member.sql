-- Somebody other than the service login, or a login of the deployment's admin, is owner, gate or steward.
-- Why: a member with the SET option can become the role; the gate reads all of lake, the steward all of the catalog.
select u.rolname::text as object, 'may become ' || g.rolname as detail
from lakeward.deployment d
join pg_roles g on g.rolname in (d.owner_role, d.gate_role, d.steward_role, d.service_role)
join pg_auth_members m on m.roleid = g.oid and (m.set_option or m.inherit_option)
join pg_roles u on u.oid = m.member
where u.rolname <> d.service_role
  and not u.rolsuper
  and not (u.rolname = d.owner_role and g.rolname = d.gate_role)
  -- who migrates without being a superuser has ADMIN on the four roles because it created them
  and not (g.rolname = d.owner_role and exists (
    select from pg_auth_members a where a.roleid = g.oid and a.member = u.oid and a.admin_option
  ))
