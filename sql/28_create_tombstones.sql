-- Tombstones rows by their keys, in the caller's transaction: each row moves out of lake into its tombstone's image, its
-- chunks go by the triggers that watch the table, the journal gets one entry a key. A key with a tombstone is `already`, one
-- without a row `missing` (the first 100 are listed). Keys are compared as the row key's type, doubles count once. What they
-- are read and written by is pinned here, so that one key is one text whoever asks; a timestamp without a zone is UTC.
-- It takes under five times the bare DELETE (tests/benchmarks/tombstones.py): rows are found as DELETE finds them, and in the
-- order of the hashes the index on them is written page by page.
create or replace function lakeward.create_tombstones(
  dataset text, row_key_column text, keys text[], reason text,
  out tombstoned bigint, out already bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  home record;
  who record;
  secret lakeward.secret;
  journal_rows text := coalesce(current_setting('lakeward.journal_rows', true), '');
begin
  select * into strict home from lakeward.lock_keys(dataset, row_key_column, keys);
  select * into strict who from lakeward.acting();
  select s.* into strict secret from lakeward.secret s;
  -- on record by an entry of its own
  perform set_config('lakeward.journal_rows', 'off', true);
  reason := coalesce(reason, '');
  execute format(
    $sql$
    with gone as (
      delete from lake.%1$I d where d.%2$I %3$s
      returning d.%2$I::text as key, %4$s as hash, %5$s as image
    ),
    buried as (
      insert into lakeward.tombstone (
        dataset_id, row_key_column, key_value, key_hash, image, reason, actor, profile, request_id
      )
      select $4, %2$L, g.key, g.hash, g.image, $5, $6, $7, $8 from gone g order by g.hash
    ),
    told as (
      insert into lakeward.journal (kind, dataset, entity, new, actor, profile, model, source, workspace, request_id)
      select 'tombstone', %1$L, g.key, $12, $6, $7, $9, $10, $11, $8 from gone g
    )
    select count(*) from gone
    $sql$, dataset, home.row_key,
    -- an array of arrays is one array, and = any would look into it
    case when home.key_type = 'text[]' then 'in (select k::text[] from unnest($3) k)' else format('= any($3::%s[])', home.key_type) end,
    lakeward.key_hash_sql(format('d.%I', home.row_key), home.key_type),
    lakeward.image_sql(format('lake.%I', dataset)::regclass, 'd')
  )
  into tombstoned
  using secret.hmac_outer, secret.hmac_inner, keys, home.dataset_id, reason, who.actor, who.profile, who.request_id,
    who.model, who.source, who.workspace, jsonb_build_object('reason', reason);
  perform set_config('lakeward.journal_rows', journal_rows, true);
  if tombstoned > 0 then
    update lakeward.dataset d set row_count = greatest(d.row_count - tombstoned, 0), version = d.version + 1, updated_at = now()
    where d.id = home.dataset_id;
  end if;
  if tombstoned = cardinality(keys) then
    already := 0;
    missing := 0;
    missing_keys := '{}';
    return;
  end if;
  -- whoever has a tombstone by now had one before, or got it above
  execute format(
    $sql$
    select count(t.id) - $6, count(*) - count(t.id), coalesce((array_agg(w.text order by w.text) filter (where t.id is null))[:100], '{}')
    from (select k.key::text as text, %1$s as hash from (select distinct k::%2$s as key from unnest($3) k) k) w
    left join lakeward.tombstone t
      on t.dataset_id = $4 and t.key_hash = w.hash and t.row_key_column = $5 and t.undone_at is null
    $sql$, lakeward.key_hash_sql('k.key', home.key_type), home.key_type
  )
  into already, missing, missing_keys
  using secret.hmac_outer, secret.hmac_inner, keys, home.dataset_id, home.row_key, tombstoned;
end $$;
