-- The SELECT that gives an index its rows: the raw row key and the texts as the index's relation shows them. `rows` is
-- what stands in FROM: the dataset's table, or the transition table of a trigger.
create or replace function lakeward.index_source_sql(index_id bigint, rows text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format(
    'select d.%I as row_key, %s from %s d where %s', base.row_key,
    (
      select string_agg(
        format('%s as %I', lakeward.redaction_sql(format('d.%I', c.name), c.base_type, c.action, c.prefix, c.suffix), 't' || t.n),
        ', ' order by t.n
      )
      from unnest(i.text_columns) with ordinality t (name, n)
      -- a dataset's index embeds what is there; whom it is shown to is decided by install_reader
      join lakeward.plan_columns(i.relation_id, 'restricted', 'null', null, null) c on c.name = t.name and c.shown
    ),
    rows, base.condition
  )
  from lakeward.vector_index i
  cross join lateral lakeward.find_base(i.relation_id) base
  where i.id = index_id
$$;
