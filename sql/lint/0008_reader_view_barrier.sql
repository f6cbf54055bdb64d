-- A reader's view without security_barrier.
-- Why: without it the planner may run a reader's own condition on rows that the view's conditions hide.
select format('%I.%I', n.nspname, c.relname) as object, 'the view is not a security_barrier' as detail
from lakeward.profile p
join pg_namespace n on n.nspname = p.schema_name
join pg_class c on c.relnamespace = n.oid and c.relkind = 'v'
where not coalesce(c.reloptions @> array['security_barrier=true'], false)
