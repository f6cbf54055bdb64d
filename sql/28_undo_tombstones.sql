-- Takes tombstones back: the rows return from their images, their chunks when the indexes are refreshed. A purged one has no
-- image any more and stays. All or nothing: when a row has one of the keys by now, or a column of an image is gone, nothing
-- is restored.
create or replace function lakeward.undo_tombstones(
  dataset text, row_key_column text, keys text[],
  out restored bigint, out purged bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home record;
  who record;
  secret lakeward.secret;
  ids bigint[];
  clash text;
begin
  select * into strict home from lakeward.lock_keys(dataset, row_key_column, keys);
  select * into strict who from lakeward.acting();
  select s.* into strict secret from lakeward.secret s;
  execute format(
    $sql$
    with wanted as (
      select w.key::text as text, sha256($1 || sha256($2 || convert_to(w.key::text, 'UTF8'))) as hash
      from (select distinct k::%1$s as key from unnest($3) k) w
    ),
    found as (
      select w.text, t.id, t.image
      from wanted w
      left join lakeward.tombstone t on t.dataset_id = $4 and t.key_hash = w.hash and t.undone_at is null
    )
    select coalesce(array_agg(f.id) filter (where f.image is not null), '{}'),
      count(*) filter (where f.id is not null and f.image is null), count(*) filter (where f.id is null),
      coalesce((array_agg(f.text order by f.text) filter (where f.id is null))[:100], '{}')
    from found f
    $sql$, home.key_type
  )
  into ids, purged, missing, missing_keys
  using secret.hmac_outer, secret.hmac_inner, keys, home.dataset_id;

  select c into clash
  from lakeward.tombstone t
  cross join lateral jsonb_object_keys(t.image) c
  where t.id = any(ids) and (t.row_key_column <> home.row_key or c not in (
    select a.attname from pg_attribute a
    where a.attrelid = format('lake.%I', dataset)::regclass and a.attnum > 0 and not a.attisdropped
  ))
  limit 1;
  if found then
    raise unique_violation using message = format(
      'dataset %L has other columns than when the rows were tombstoned (%L is one of theirs), so they cannot return', dataset, clash
    );
  end if;
  -- first, or the rows would be refused as tombstoned
  update lakeward.tombstone t set undone_at = clock_timestamp() where t.id = any(ids);
  perform set_config('lakeward.journal_rows', 'off', true);
  begin
    execute format(
      'insert into lake.%1$I select r.* from lakeward.tombstone t '
      'cross join lateral jsonb_populate_record(null::lake.%1$I, t.image) r where t.id = any($1)', dataset
    ) using ids;
  exception when unique_violation then
    raise unique_violation using
      message = format('a row of dataset %L has one of these keys by now, so nothing was restored', dataset);
  end;
  get diagnostics restored = row_count;
  perform set_config('lakeward.journal_rows', '', true);
  insert into lakeward.journal (kind, dataset, entity, actor, profile, model, source, workspace, request_id)
  select 'undo', dataset, t.key_value, who.actor, who.profile, who.model, who.source, who.workspace, who.request_id
  from lakeward.tombstone t where t.id = any(ids);
  update lakeward.tombstone t set image = null where t.id = any(ids);
  if restored > 0 then
    update lakeward.dataset d set row_count = d.row_count + restored, version = d.version + 1, updated_at = now()
    where d.id = home.dataset_id;
  end if;
end $$;
