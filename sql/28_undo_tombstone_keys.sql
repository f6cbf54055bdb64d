-- Takes tombstones of a bucket dataset back, in the caller's transaction: the rows are still in the files, and are read again.
-- What compaction has taken out of the files, or an erasure has purged, stays away.
create or replace function lakeward.undo_tombstone_keys(
  dataset_id bigint, key_type text, keys text[],
  out restored bigint, out purged bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home record;
  who record;
begin
  select d.name, d.row_key into strict home from lakeward.dataset d where d.id = undo_tombstone_keys.dataset_id for update;
  select * into strict who from lakeward.acting();
  with wanted as (
    select k.key, lakeward.key_hash(k.key, undo_tombstone_keys.key_type) as hash
    from (select distinct u.key from unnest(undo_tombstone_keys.keys) u (key)) k
  ),
  known as (
    select w.key, t.id, t.purged_at is not null as gone
    from wanted w
    left join lakeward.tombstone t on t.dataset_id = undo_tombstone_keys.dataset_id and t.key_hash = w.hash
      and t.row_key_column = home.row_key and t.undone_at is null
  ),
  undone as (
    update lakeward.tombstone t set undone_at = clock_timestamp()
    from known k where t.dataset_id = undo_tombstone_keys.dataset_id and t.id = k.id and not k.gone
    returning k.key
  ),
  told as (
    insert into lakeward.journal (kind, dataset, entity, actor, profile, model, source, workspace, request_id)
    select 'undo', home.name, u.key, who.actor, who.profile, who.model, who.source, who.workspace, who.request_id from undone u
  )
  select (select count(*) from undone), count(*) filter (where k.gone), count(*) filter (where k.id is null),
    coalesce((array_agg(k.key order by k.key) filter (where k.id is null))[:100], '{}')
  into restored, purged, missing, missing_keys
  from known k;
  update lakeward.dataset d set row_count = d.row_count + restored, version = d.version + 1, updated_at = now()
  where d.id = undo_tombstone_keys.dataset_id and restored > 0;
end $$;
