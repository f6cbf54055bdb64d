-- The k chunks of an index that are nearest to `query` or, where that is null, to one of `chunks`, those left out; with the
-- caller's rights, and on record or not at all. Here alone is written what near is, and how a hit looks.
create or replace function lakeward.find_hits(
  operation text, index_name text, query real[], chunks bigint[], k integer, arguments text[]
) returns lakeward.hit[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  route record;
  distance text;
  approximate boolean;
  near text;
  hits lakeward.hit[];
begin
  select * into strict route from lakeward.search_route(index_name);
  distance := format(
    'c.embedding operator(%1$I.<=>) %2$s', route.ext,
    case when chunks is null then format('$1::%I.halfvec', route.ext) else 'o.embedding' end
  );
  foreach approximate in array array[true, false] loop
    continue when approximate and route.variant_id is null;
    if approximate then
      -- the first beam is the result, so it must hold all that is wanted, and a document's own chunks are nearest to it
      perform set_config(
        'hnsw.ef_search', least(greatest(route.ef_search, k + coalesce(cardinality(chunks), 0)), 1000)::text, true
      );
    end if;
    near := format(
      'select c.chunk_id, c.chunk_no, %1$s as distance from vec.%2$I c where %3$s order by %4$s limit %5$s',
      distance, route.chunks,
      -- the predicate of the variant's partial index picks it; + 0 keeps every index out
      case when approximate then format('c.chunk_id <> %s', -route.variant_id) else 'true' end,
      case when approximate then distance else format('(%s) + 0', distance) end,
      least(k + coalesce(cardinality(chunks), 0), 1200)
    );
    if chunks is not null then
      near := format(
        'select l.chunk_id, l.chunk_no, min(l.distance) as distance '
        'from (select s.embedding from vec.%I s where s.chunk_id = any ($2) offset 0) o cross join lateral (%s) l '
        'where l.chunk_id <> all ($2) group by l.chunk_id, l.chunk_no order by min(l.distance) limit %s',
        route.chunks, near, k
      );
    end if;
    execute format(
      'with near as materialized (%s) '
      'select array_agg(row(s.doc_key, n.chunk_no, 1 - n.distance, n.distance, t.content, s.metadata, $3)::lakeward.hit '
      -- the planner trusts the index's order, which is not exact; + 0 makes it sort (pgvector#862)
      'order by n.distance + 0) '
      'from near n join vec.%I t on t.chunk_id = n.chunk_id cross join lateral (%s) s',
      near, route.chunks || '_text', route.shown
    ) into hits using query, chunks, case when approximate then 'hnsw' else 'exact' end;
    exit when cardinality(hits) >= k;
  end loop;
  perform lakeward.append_audit(
    'sql', operation || ' ' || index_name, array[route.relation],
    encode(sha256(convert_to(arguments::text, 'UTF8')), 'hex'), coalesce(cardinality(hits), 0),
    array(select h.doc_key from unnest(hits) h), extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok'
  );
  return hits;
end $$;

-- Attached to the function, the settings end with its call, whatever it sets meanwhile. Who is no superuser may attach
-- pgvector's once its library is in the session. Without a sort the way that is called hnsw is: of a few hundred chunks the
-- planner would rather sort them all.
do $$
begin
  execute format('select ''[1]''::%I.halfvec', (select d.ext_schema from lakeward.deployment d));
  execute 'alter function lakeward.find_hits set hnsw.ef_search = 40';
  execute 'alter function lakeward.find_hits set enable_sort = off';
end $$;
