-- A table of the catalog or of a dataset without row security.
-- Why: a stray GRANT on it would show every row; with row security on, it shows what the bindings allow. vec is not
-- asked: what a profile may see there is what it is granted (0010). A load table that nobody is granted is the owner's.
select format('%I.%I', n.nspname, c.relname) as object, 'row level security is off' as detail
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('lakeward', 'record', 'lake')
  and c.relkind in ('r', 'p')
  and not c.relrowsecurity
  and not (
    n.nspname = 'lake' and starts_with(c.relname, '_load_')
    and not exists (select from aclexplode(c.relacl) a where a.grantee <> c.relowner)
  )
