-- One of owner, gate and steward that can log in, or that row security does not hold for.
-- Why: nobody is one of them except by way of the service login; the owner may make roles, and that is all.
select r.rolname::text as object, 'attribute ' || a.name as detail
from lakeward.deployment d
join pg_roles r on r.rolname in (d.owner_role, d.gate_role, d.steward_role)
cross join lateral (
  values
    ('LOGIN', r.rolcanlogin), ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEDB', r.rolcreatedb),
    ('REPLICATION', r.rolreplication), ('CREATEROLE', r.rolcreaterole and r.rolname <> d.owner_role)
) a (name, present)
where a.present
