-- The k nearest chunks of an index to a vector, as the caller may see them: with its rights, in psql and elsewhere the same
-- answer as POST /vectors/profile/{id}/search. By HNSW when the profile's variant is built; short of k it is asked again
-- exactly, so fewer than k hits means that there are no more. Without its audit entry there is no answer.
create or replace function lakeward.search(index text, query real[], k integer default 10) returns setof lakeward.hit
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  route record;
begin
  select * into strict route from lakeward.search_route(index);
  if k is null or k not between 1 and 1000 then
    raise invalid_parameter_value using message = format('k must be between 1 and 1000, not %s', coalesce(k::text, 'null'));
  elsif cardinality(query) is distinct from route.dimensions then
    raise invalid_parameter_value using message = format(
      'index %L has %s dimensions, the vector has %s', index, route.dimensions, coalesce(cardinality(query), 0)
    );
  elsif 0 = all (query) then
    raise invalid_parameter_value using message = 'all components of the vector are zero, so it has no direction to compare';
  end if;
  return query select h.* from unnest(
    lakeward.find_hits('search', index, query, null, k, array[index, query::text, k::text])
  ) h;
end $$;
