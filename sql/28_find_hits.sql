-- The k chunks of an index that are nearest to `query` or, where `chunks` are given, to one of these, which are left out; with
-- the caller's rights, and on record or not at all. Here alone is written what near is, and how a hit looks; and since anybody
-- may call it, here alone is decided what can be asked, and what the record says of it.
drop function if exists lakeward.find_hits(text, text, real[], bigint[], integer, text[]);
create or replace function lakeward.find_hits(
  index_name text, query real[], chunks bigint[], k integer
) returns lakeward.hit[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  route record;
  distance text;
  approximate boolean;
  near text;
  by_graph text;
  wanted integer := least(k + coalesce(cardinality(chunks), 0), 1200);
  small boolean;
  hits lakeward.hit[];
  nothing boolean;
begin
  select * into strict route from lakeward.search_route(index_name);
  if k is null or k not between 1 and 1000 then
    raise invalid_parameter_value using message = format('k must be between 1 and 1000, not %s', coalesce(k::text, 'null'));
  elsif chunks is not null and (query is not null or cardinality(chunks) not between 1 and 200) then
    raise invalid_parameter_value using message = 'a search is for a vector, or for 1 to 200 chunks';
  elsif chunks is null and cardinality(query) is distinct from route.dimensions then
    raise invalid_parameter_value using message = format(
      'index %L has %s dimensions, the vector has %s', index_name, route.dimensions, coalesce(cardinality(query), 0)
    );
  elsif chunks is null then
    -- as it is compared: what is smaller than half precision can tell from zero is zero
    execute format('select %1$I.l2_norm($1::%1$I.halfvec) = 0', route.ext) into nothing using query;
    if nothing then
      raise invalid_parameter_value using
        message = 'vector: all components are zero, so it has no direction to compare';
    end if;
  end if;
  distance := format(
    'c.embedding operator(%1$I.<=>) %2$s', route.ext,
    case when chunks is null then format('$1::%I.halfvec', route.ext) else 'o.embedding' end
  );
  select c.reltuples <= 700 into strict small from pg_class c where c.oid = to_regclass(format('vec.%I', route.chunks));
  foreach approximate in array array[true, false] loop
    continue when approximate and route.variant_id is null;
    if approximate then
      -- the first beam is the result, so it must hold all that is wanted, and a document's own chunks are nearest to it
      perform set_config(
        'hnsw.ef_search', least(greatest(route.ef_search, k + coalesce(cardinality(chunks), 0)), 1000)::text, true
      );
    end if;
    -- + 0 keeps every index out
    near := format(
      'select c.chunk_id, c.chunk_no, %1$s as distance from vec.%2$I c order by (%1$s) + 0 limit %3$s', distance, route.chunks, wanted
    );
    if approximate then
      -- the predicate of the variant's partial index picks it
      by_graph := format(
        'select c.chunk_id, c.chunk_no, %1$s as distance from vec.%2$I c where c.chunk_id <> %3$s order by %1$s limit %4$s',
        distance, route.chunks, -route.variant_id, wanted
      );
      -- in a small index some text may be out of the graph's reach, and a scan costs next to nothing (app/vectors/router.py)
      near := case
        when small then format('select u.* from ((%s) union (%s)) u order by u.distance + 0 limit %s', by_graph, near, wanted)
        else by_graph
      end;
    end if;
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
    'sql', case when chunks is null then 'search ' else 'similar ' end || index_name, array[route.relation],
    encode(sha256(convert_to(array[index_name, coalesce(query::text, chunks::text), k::text]::text, 'UTF8')), 'hex'),
    coalesce(cardinality(hits), 0), array(select h.doc_key from unnest(hits) h),
    extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok'
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
