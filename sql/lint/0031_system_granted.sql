-- Something of Postgres' own that PUBLIC was given since the server was made.
-- Why: what Postgres keeps from everybody it keeps for a reason. pg_statistic holds values of hidden columns, pg_authid the
-- verifiers of passwords, pg_largeobject other people's bytes; pg_read_file and its like read the server's disk.
select pg_describe_object(o.classid, o.oid, o.part) as object, 'PUBLIC has ' || a.privilege_type as detail
from (
  select 'pg_class'::regclass as classid, c.oid, 0 as part, c.relacl as acl, null::aclitem[] as usual
  from pg_class c
  where c.relnamespace = 'pg_catalog'::regnamespace and c.relacl is not null
  union all
  select 'pg_class'::regclass, c.oid, t.attnum, t.attacl, null
  from pg_attribute t join pg_class c on c.oid = t.attrelid
  where c.relnamespace = 'pg_catalog'::regnamespace and t.attacl is not null
  union all
  select 'pg_proc'::regclass, p.oid, 0, p.proacl, acldefault('f', p.proowner)
  from pg_proc p
  where p.pronamespace = 'pg_catalog'::regnamespace and p.proacl is not null
) o
left join pg_init_privs i on i.classoid = o.classid and i.objoid = o.oid and i.objsubid = o.part
cross join lateral aclexplode(o.acl) a
where a.grantee = 0
  and not exists (
    select from aclexplode(coalesce(i.initprivs, o.usual)) x where x.grantee = 0 and x.privilege_type = a.privilege_type
  )
