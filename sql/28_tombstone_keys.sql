-- Tombstones for rows of a bucket dataset, in the caller's transaction. The rows are in files, so the caller says which of the
-- keys have one; they are left out of every read from now on, and compaction takes them out of the files. `undo` before
-- that brings them back. Keys are in the spelling of their type.
create or replace function lakeward.tombstone_keys(
  dataset_id bigint, key_type text, keys text[], reason text, out tombstoned bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home record;
  who record;
begin
  select d.name, d.row_key into strict home from lakeward.dataset d where d.id = tombstone_keys.dataset_id for update;
  select * into strict who from lakeward.acting();
  reason := coalesce(reason, '');
  with made as (
    insert into lakeward.tombstone (dataset_id, row_key_column, key_value, key_hash, reason, actor, profile, request_id)
    select tombstone_keys.dataset_id, home.row_key, k.key, lakeward.key_hash(k.key, tombstone_keys.key_type), tombstone_keys.reason,
      who.actor, who.profile, who.request_id
    from (select distinct u.key from unnest(tombstone_keys.keys) u (key)) k
    on conflict do nothing
    returning key_value
  ),
  told as (
    insert into lakeward.journal (kind, dataset, entity, new, actor, profile, model, source, workspace, request_id)
    select 'tombstone', home.name, m.key_value, jsonb_build_object('reason', tombstone_keys.reason), who.actor, who.profile, who.model,
      who.source, who.workspace, who.request_id
    from made m
  )
  select count(*) into tombstoned from made;
  update lakeward.dataset d set row_count = greatest(d.row_count - tombstoned, 0), version = d.version + 1, updated_at = now()
  where d.id = tombstone_keys.dataset_id and tombstoned > 0;
end $$;
