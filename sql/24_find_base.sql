-- What a relation is made of: its dataset's id, table and row key, and the condition on it (true without a row filter).
create or replace function lakeward.find_base(relation bigint)
returns table (base_id bigint, table_name text, row_key text, condition text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select d.id, d.name, d.row_key, 'true' from lakeward.dataset d where d.id = relation
  union all
  select d.id, d.name, d.row_key, case when b.filter_tree is null then 'true' else lakeward.filter_sql(b.filter_tree) end
  from lakeward.safe_view_base b join lakeward.dataset d on d.id = b.base_id
  where b.view_id = relation
$$;
