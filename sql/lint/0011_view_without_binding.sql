-- Something to read in a profile's schema that no binding accounts for.
-- Why: the bindings are the record of what a profile may see; what is not in them must not be there.
select format('%I.%I', n.nspname, c.relname) as object, format('profile %s has no binding to it', p.id) as detail
from lakeward.profile p
join pg_namespace n on n.nspname = p.schema_name
join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
where not exists (
  select from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
  where b.profile_id = p.id and r.name = c.relname and c.relkind = 'v'
)
