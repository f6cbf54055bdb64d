-- A permissive policy that lets every row through.
-- Why: permissive policies are joined with OR, so one of them opens the whole table. An expression that looks at no
-- column, no query, no function and no user is a constant.
select format('%I.%I', n.nspname, c.relname) as object,
  format('policy %I is always true: %s', p.polname, e.expression) as detail
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral (
  values (p.polqual, pg_get_expr(p.polqual, p.polrelid)), (p.polwithcheck, pg_get_expr(p.polwithcheck, p.polrelid))
) e (tree, expression)
where n.nspname in ('lakeward', 'lake', 'vec', 'jobs')
  and p.polpermissive
  and (
    e.tree::text !~ '\{(VAR|SUBLINK|SQLVALUEFUNCTION|FUNCEXPR) '
    or e.expression ~* '\mor true\M|\mtrue or\M'
  )
