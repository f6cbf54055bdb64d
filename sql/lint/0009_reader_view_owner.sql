-- A reader's view that is not the gate's.
-- Why: a view reads with its owner's rights. The gate is subject to the policies of lake; the owner of the tables is not.
select format('%I.%I', n.nspname, c.relname) as object, format('owned by %I', pg_get_userbyid(c.relowner)) as detail
from lakeward.profile p
join pg_namespace n on n.nspname = p.schema_name
join pg_class c on c.relnamespace = n.oid and c.relkind = 'v'
where pg_get_userbyid(c.relowner) <> (select d.gate_role from lakeward.deployment d)
