-- The k nearest chunks of an index to a vector, as the caller may see them: with its rights, in psql and elsewhere the same
-- answer as POST /vectors/profile/{id}/search. By HNSW when the profile's variant is built; short of k it is asked again
-- exactly, so fewer than k hits means that there are no more. Without its audit entry there is no answer.
create or replace function lakeward.search(index text, query real[], k integer default 10) returns setof lakeward.hit
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return query select h.* from unnest(lakeward.find_hits(index, query, null, k)) h;
end $$;
