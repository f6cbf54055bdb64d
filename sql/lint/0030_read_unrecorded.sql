-- A table whose rows people can read in psql without a record of it, or past its one policy.
-- Why: a person's own session is put on record by the policy `readers` of a dataset's table, of an index's chunks and texts. Where it
-- is missing, switched off or has another one beside it, rows are read and the audit does not know, or rows show that should not.
with home as (
  select c.oid, c.relrowsecurity, c.relname, 'lake' as nspname
  from lakeward.dataset d
  join pg_class c on c.relname = d.name and c.relnamespace = 'lake'::regnamespace and c.relkind in ('r', 'p')
  union all
  select c.oid, c.relrowsecurity, c.relname, 'vec'
  from lakeward.vector_index i
  join pg_class c on c.relname in (i.table_name, i.table_name || '_text') and c.relnamespace = 'vec'::regnamespace
)
select format('%I.%I', home.nspname, home.relname) as object, w.detail
from home
cross join lateral (
  select 'its policy readers is missing, or does not record who reads' as detail
  where not exists (
    select from pg_policy p
    where p.polrelid = home.oid and p.polname = 'readers' and strpos(pg_get_expr(p.polqual, p.polrelid), 'record_read(') > 0
  )
  union all
  -- of a dataset's table that is 0001's
  select 'row level security is off' where home.nspname = 'vec' and not home.relrowsecurity
  union all
  select format('policy %I is beside readers: %s', p.polname, pg_get_expr(p.polqual, p.polrelid))
  from pg_policy p
  where p.polrelid = home.oid
    and p.polname <> 'readers'
    and p.polpermissive
    and p.polcmd in ('r', '*')
    -- the others are 0002's and 0003's
    and p.polroles = '{0}'::oid[]
    and p.polqual::text ~ '\{(VAR|SUBLINK|SQLVALUEFUNCTION|FUNCEXPR) '
    and pg_get_expr(p.polqual, p.polrelid) !~* '\mor true\M|\mtrue or\M'
) w
