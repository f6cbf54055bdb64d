-- An HNSW index that is not valid, and that nobody is building.
-- Why: Postgres keeps it up at every write and uses it for no query: what a build leaves behind that did not end.
select format('vec.%I', c.relname) as object, 'the index is not valid' as detail
from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_am m on m.oid = c.relam
where c.relnamespace = 'vec'::regnamespace
  and m.amname = 'hnsw'
  and not i.indisvalid
  and c.relname not in (
    select v.table_name || '_v' || b.id from lakeward.index_variant b join lakeward.vector_index v on v.id = b.index_id
    where b.state = 'building'
  )
