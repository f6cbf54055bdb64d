-- A view that readers read with other columns than the catalog says it shows.
-- Why: explain, diff and the policies answer from lakeward.shown_column. A column that is not listed there was put into the
-- view by hand, past every clearance; one that is listed and is not there makes the answers wrong.
with reader_view as (
  select b.id as binding_id, c.oid, format('%I.%I', p.schema_name, r.name) as object
  from lakeward.binding b
  join lakeward.profile p on p.id = b.profile_id
  join lakeward.relation r on r.id = b.relation_id
  join pg_namespace n on n.nspname = p.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = r.name and c.relkind = 'v'
),
there as (
  select v.binding_id, v.object, a.attname::text as name
  from reader_view v join pg_attribute a on a.attrelid = v.oid and a.attnum > 0 and not a.attisdropped
),
listed as (
  select v.binding_id, v.object, s.name from reader_view v join lakeward.shown_column s on s.binding_id = v.binding_id
)
select coalesce(there.object, listed.object) as object,
  case
    when listed.name is null then format('it shows a column %I that the catalog does not list', there.name)
    else format('it lacks the column %I that the catalog lists', listed.name)
  end as detail
from there
full join listed on listed.binding_id = there.binding_id and listed.name = there.name
where there.name is null or listed.name is null
union all
select format('lake.%I', c.relname), format('it shows a column %I that the safe view does not list', a.attname)
from lakeward.safe_view v
join pg_class c on c.relname = v.name and c.relnamespace = 'lake'::regnamespace and c.relkind = 'v'
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where a.attname::text <> all(v.columns)
union all
select format('vec.%I', c.relname), format('it shows a column %I', a.attname)
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'vec'::regnamespace
  and c.relkind = 'v'
  and c.relname ~ '^hits_[0-9]+_[0-9]+$'
  and a.attname not in ('chunk_id', 'chunk_no', 'embedding', 'doc_key', 'metadata')
  -- for filters: f and the position of a column that this reader is shown
  and not exists (
    select from lakeward.shown_column s
    where a.attname = 'f' || s.position and c.relname like 'hits\_%\_' || s.binding_id
  )
