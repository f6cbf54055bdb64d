-- A service login with a right of its own: an attribute, an inherited membership, or something it owns.
-- Why: every connection of the app is this login, and must be able to do nothing until it has become somebody.
select r.rolname::text as object, w.detail
from lakeward.deployment d
join pg_roles r on r.rolname = d.service_role
cross join lateral (
  select 'attribute ' || a.name as detail from (
    values
      ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
      ('CREATEDB', r.rolcreatedb), ('INHERIT', r.rolinherit), ('REPLICATION', r.rolreplication)
  ) a (name, present) where a.present
  union all
  select 'inherits ' || g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid
  where m.member = r.oid and m.inherit_option
  union all
  select 'owns ' || pg_describe_object(s.classid, s.objid, s.objsubid)
  from pg_shdepend s
  where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype = 'o'
    and s.dbid in (0, (select oid from pg_database where datname = current_database()))
) w
