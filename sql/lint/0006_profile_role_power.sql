-- A profile's role that can do more than read: an attribute, a membership, or something it owns.
-- Why: a superuser or BYPASSRLS role sees all rows, a member sees what its group sees, an owner may grant.
select r.rolname::text as object, w.detail
from lakeward.profile p
join pg_roles r on r.rolname = p.role_name
cross join lateral (
  select 'attribute ' || a.name as detail from (
    values
      ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
      ('CREATEDB', r.rolcreatedb), ('LOGIN', r.rolcanlogin), ('REPLICATION', r.rolreplication)
  ) a (name, present) where a.present
  union all
  select 'member of ' || g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = r.oid
  union all
  select 'owns ' || pg_describe_object(d.classid, d.objid, d.objsubid)
  from pg_shdepend d
  where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o'
    and d.dbid in (0, (select oid from pg_database where datname = current_database()))
    -- every login can make these two, and neither shows it a row; they go with the role (sql/30_drop_reader_role.sql)
    and d.classid not in ('pg_largeobject'::regclass, 'pg_default_acl'::regclass)
) w
