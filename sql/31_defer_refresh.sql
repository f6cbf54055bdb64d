-- Defers the job that embeds what is waiting, for every index over the dataset or its views whose policy is on_append. In the
-- caller's transaction: the job is there when the rows are.
create or replace function lakeward.defer_refresh(dataset_id bigint, created_by text) returns bigint
language sql set search_path = pg_catalog, pg_temp as $$
  select count(lakeward.defer_job(
    'index', i.name, jsonb_build_object('index', i.name), 'rows', 'index:' || i.name, created_by
  ))
  from lakeward.vector_index i
  cross join lateral lakeward.find_base(i.relation_id) base
  join lakeward.dataset d on d.id = base.base_id
  cross join lateral lakeward.pending_rows(i.table_name) p
  where i.state = 'live' and base.base_id = dataset_id and coalesce(i.refresh_policy, d.embedding_refresh_policy) = 'on_append' and p.waiting > 0
$$;
