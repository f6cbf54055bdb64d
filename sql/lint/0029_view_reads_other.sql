-- A view that readers read and that reads from something else than the one table it is made of.
-- Why: the gate may read every table of lake, so a view of its that names another table shows rows of a dataset that its reader
-- is not bound to, or looks up in one relation what another one hides. The key of `hash` is the one thing more that it may use.
with made as (
  select c.oid, format('%I.%I', p.schema_name, r.name) as object, d.name::text as base, null::text as chunks
  from lakeward.binding b
  join lakeward.profile p on p.id = b.profile_id
  join lakeward.relation r on r.id = b.relation_id
  join lakeward.dataset d on d.id = b.base_id
  join pg_namespace n on n.nspname = p.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = r.name and c.relkind = 'v'
  union all
  select c.oid, format('lake.%I', v.name), d.name, null
  from lakeward.safe_view v
  join lakeward.safe_view_base b on b.view_id = v.id
  join lakeward.dataset d on d.id = b.base_id
  join pg_class c on c.relnamespace = 'lake'::regnamespace and c.relname = v.name and c.relkind = 'v'
  union all
  select c.oid, format('vec.%I', c.relname), d.name as base, i.table_name as chunks
  from lakeward.index_reader x
  join lakeward.binding b on b.id = x.binding_id
  join lakeward.dataset d on d.id = b.base_id
  join lakeward.vector_index i on i.id = x.index_id
  join pg_class c on c.relnamespace = 'vec'::regnamespace and c.relname = format('hits_%s_%s', x.index_id, x.binding_id)
)
select distinct made.object, 'it reads ' || t.what as detail
from made
join pg_rewrite w on w.ev_class = made.oid
join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refobjid <> made.oid
join (
  select 'pg_class'::regclass as classid, c.oid, n.nspname::text as nspname, c.relname::text as name,
    format('%I.%I', n.nspname, c.relname) as what
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  union all
  -- of Postgres' own functions no dependency is kept
  select 'pg_proc'::regclass, p.oid, null, null, 'the function ' || p.oid::regprocedure
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname <> 'pg_catalog'
) t on t.classid = d.refclassid and t.oid = d.refobjid
where (t.nspname = 'lake' and t.name = made.base) is not true
  and (t.nspname = 'vec' and t.name = made.chunks) is not true
  and (t.nspname = 'lakeward' and t.name = 'secret') is not true
