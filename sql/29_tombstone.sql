-- Tombstones rows as whoever calls, if it may (lakeward.may_tombstone).
create or replace function lakeward.tombstone(
  dataset text, keys text[], reason text,
  out tombstoned bigint, out already bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform lakeward.may_tombstone(tombstone.dataset);
  select c.* into tombstoned, already, missing, missing_keys
  from lakeward.create_tombstones(tombstone.dataset, null, tombstone.keys, tombstone.reason) c;
end $$;
