-- A view that stands between a reader and rows, without security_barrier.
-- Why: without it the planner may run a reader's own condition on rows that the view's conditions hide. These are the views
-- in profiles' schemas, the safe views in lake and the views of hits in vec.
select format('%I.%I', n.nspname, c.relname) as object, 'the view is not a security_barrier' as detail
from pg_namespace n
join pg_class c on c.relnamespace = n.oid and c.relkind = 'v'
where (
    n.nspname in (select p.schema_name from lakeward.profile p)
    or n.nspname = 'lake'
    or n.nspname = 'vec' and c.relname ~ '^hits_[0-9]+_[0-9]+$'
  )
  and not coalesce(c.reloptions @> array['security_barrier=true'], false)
