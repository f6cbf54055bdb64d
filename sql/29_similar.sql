-- The k chunks nearest to those of one document, itself left out: a chunk's distance is that to the nearest chunk of the
-- document. The document is named as the caller's own relation shows its key; where several show the same, all of them are
-- meant. In everything else as lakeward.search. A document of more than 200 chunks is refused: each is a search.
create or replace function lakeward.similar(index text, doc_key text, k integer default 10) returns setof lakeward.hit
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  route record;
  chunks bigint[];
begin
  select * into strict route from lakeward.search_route(index);
  if k is null or k not between 1 and 1000 then
    raise invalid_parameter_value using message = format('k must be between 1 and 1000, not %s', coalesce(k::text, 'null'));
  end if;
  execute format('select array_agg(o.chunk_id) from (%s limit 201) o', route.own) into chunks using doc_key;
  if chunks is null then
    raise no_data_found using message = format('index %L has no document %L that you may see', index, left(doc_key, 60));
  elsif cardinality(chunks) > 200 then
    raise program_limit_exceeded using message = format(
      'document %L has more than 200 chunks; search with a vector instead', left(doc_key, 60)
    );
  end if;
  return query select h.* from unnest(lakeward.find_hits(index, null, chunks, k)) h;
end $$;
