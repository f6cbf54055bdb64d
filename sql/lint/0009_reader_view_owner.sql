-- A view that readers read and that is not the gate's.
-- Why: a view reads with its owner's rights. The gate is subject to the policies of lake; the owner of the tables is not.
select format('%I.%I', n.nspname, c.relname) as object, format('owned by %I', pg_get_userbyid(c.relowner)) as detail
from pg_namespace n
join pg_class c on c.relnamespace = n.oid and c.relkind = 'v'
where (
    n.nspname in (select p.schema_name from lakeward.profile p)
    or n.nspname = 'lake'
    or n.nspname = 'vec' and c.relname ~ '^hits_[0-9]+_[0-9]+$'
  )
  and pg_get_userbyid(c.relowner) <> (select d.gate_role from lakeward.deployment d)
