-- A variant that is said to be ready, and has no HNSW index.
-- Why: searches route to it, and would scan the whole table.
select format('vec.%I', v.table_name || '_v' || b.id) as object,
  format('variant m=%s ef_construction=%s is ready, but its index is not there', b.m, b.ef_construction) as detail
from lakeward.index_variant b
join lakeward.vector_index v on v.id = b.index_id
where b.state = 'ready'
  and to_regclass(format('vec.%I', v.table_name || '_v' || b.id)) is null
