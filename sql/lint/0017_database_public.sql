-- PUBLIC may make temporary tables or schemas in the database.
-- Why: pg_temp is searched before everything else, and a reader that makes objects makes functions.
select format('database %I', b.datname) as object, 'PUBLIC has ' || a.privilege_type as detail
from pg_database b
cross join lateral aclexplode(coalesce(b.datacl, acldefault('d', b.datdba))) a
where b.datname = current_database()
  and a.grantee = 0
  and a.privilege_type in ('TEMPORARY', 'CREATE')
