-- largest_index --
-- The index with the most chunks over rows in Postgres, and a variant of it that is ready.
select i.table_name, i.dimensions, base.table_name as base_table, i.row_key, c.reltuples::bigint as chunks,
  v.id as variant_id
from lakeward.vector_index i
cross join lateral lakeward.find_base(i.relation_id) base
join pg_class c on c.oid = to_regclass(format('vec.%%I', i.table_name))
left join lateral (
  select w.id from lakeward.index_variant w where w.index_id = i.id and w.state = 'ready' order by w.id limit 1
) v on true
where c.reltuples >= %(enough)s
order by c.reltuples desc
limit 1;
