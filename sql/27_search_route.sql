-- What a search in an index needs to know, as its caller may see it, or an error that names what the caller may read and
-- nothing else. `shown` is the SELECT that shows a near chunk n, `own` that of the chunks of document $1: of the reader's own
-- view of hits; an admin has no profile, is answered exactly, and is shown the dataset's own rows.
create or replace function lakeward.search_route(
  index_name text,
  out relation text, out chunks text, out dimensions integer, out shown text, out own text, out ef_search integer, out variant_id integer,
  out ext text
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  item record;
  hits text;
begin
  select i.id, i.relation_id, i.table_name, i.text_columns, r.name as relation, i.dimensions, x.binding_id, p.ef_search, v.id as variant_id
  into item
  from lakeward.vector_index i
  join lakeward.relation r on r.id = i.relation_id
  left join lakeward.index_reader x on x.index_id = i.id and x.role_name = current_user
  left join lakeward.binding b on b.id = x.binding_id
  left join lakeward.profile p on p.id = b.profile_id
  left join lakeward.index_variant v
    on v.index_id = i.id and v.m = p.m and v.ef_construction = p.ef_construction and v.state = 'ready'
  where i.name = index_name;
  if item.binding_id is null and (item.id is null or not exists (select from lakeward.deployment)) then
    raise insufficient_privilege using message = format(
      'no index %L is open to you; you are bound to %s', left(index_name, 60),
      coalesce((select string_agg(r.name, ', ' order by r.name) from lakeward.relation r), 'nothing')
    );
  end if;
  relation := item.relation;
  chunks := item.table_name;
  dimensions := item.dimensions;
  ef_search := item.ef_search;
  variant_id := item.variant_id;
  select n.nspname into strict ext from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector';
  if item.binding_id is not null then
    hits := format('hits_%s_%s', item.id, item.binding_id);
    -- a join cannot look into a barrier view by its index, a condition inside it can; offset 0 keeps it inside
    shown := format('select h.doc_key, h.metadata from vec.%I h where h.chunk_id = n.chunk_id offset 0', hits);
    own := format('select h.chunk_id from vec.%I h where h.doc_key = $1', hits);
  else
    select format(
      'select c.row_key::text as doc_key, to_jsonb(d.*) - %L::text[] as metadata '
      'from vec.%I c join lake.%I d on d.%I = c.row_key where c.chunk_id = n.chunk_id offset 0',
      item.text_columns, item.table_name, base.table_name, base.row_key
    ) into strict shown
    from lakeward.find_base(item.relation_id) base;
    own := format('select c.chunk_id from vec.%I c where c.row_key::text = $1', item.table_name);
  end if;
end $$;
