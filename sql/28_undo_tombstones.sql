-- Takes tombstones back: the rows return from their images as they were, their chunks when the indexes are refreshed. A
-- purged one has no image any more and stays. All or nothing: when a row has one of the keys by now, or a column of an
-- image is gone or of another type, nothing is restored.
create or replace function lakeward.undo_tombstones(
  dataset text, row_key_column text, keys text[],
  out restored bigint, out purged bigint, out missing bigint, out missing_keys text[]
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  home record;
  who record;
  secret lakeward.secret;
  journal_rows text := coalesce(current_setting('lakeward.journal_rows', true), '');
  ids bigint[];
  clash text;
  columns text;
  restorable text;
begin
  select * into strict home from lakeward.lock_keys(dataset, row_key_column, keys);
  select * into strict who from lakeward.acting();
  select s.* into strict secret from lakeward.secret s;
  execute format(
    $sql$
    select coalesce(array_agg(t.id) filter (where t.image is not null), '{}'),
      count(t.id) filter (where t.image is null), count(*) - count(t.id),
      coalesce((array_agg(w.text order by w.text) filter (where t.id is null))[:100], '{}')
    from (select k.key::text as text, %1$s as hash from (select distinct k::%2$s as key from unnest($3) k) k) w
    left join lakeward.tombstone t
      on t.dataset_id = $4 and t.key_hash = w.hash and t.row_key_column = $5 and t.undone_at is null
    $sql$, lakeward.key_hash_sql('k.key', home.key_type), home.key_type
  )
  into ids, purged, missing, missing_keys
  using secret.hmac_outer, secret.hmac_inner, keys, home.dataset_id, home.row_key;
  restored := cardinality(ids);
  if restored = 0 then
    return;
  end if;

  select c into clash
  from lakeward.tombstone t
  cross join lateral jsonb_object_keys(t.image - '') c
  where t.dataset_id = home.dataset_id and t.id = any(ids) and c not in (
    select a.attname from pg_attribute a
    where a.attrelid = format('lake.%I', dataset)::regclass and a.attnum > 0 and not a.attisdropped
  )
  limit 1;
  if found then
    raise unique_violation using message = format(
      'dataset %L has other columns than when the rows were tombstoned (%L is one of theirs), so they cannot return', dataset, clash
    );
  end if;
  select string_agg(format('%I', a.attname), ', ' order by a.attnum), string_agg(
    case a.atttypid
      when 'jsonb'::regtype
        then format('case when t.image -> '''' ? %1$L then (t.image -> '''' ->> %1$L)::jsonb else r.%1$I end', a.attname)
      else format('r.%I', a.attname)
    end, ', ' order by a.attnum
  ) into columns, restorable
  from pg_attribute a
  where a.attrelid = format('lake.%I', dataset)::regclass and a.attnum > 0 and not a.attisdropped;
  -- on record by an entry of its own
  perform set_config('lakeward.journal_rows', 'off', true);
  begin
    execute format(
      $sql$
      with undone as (
        update lakeward.tombstone t set undone_at = clock_timestamp(), image = null where t.dataset_id = $2 and t.id = any($1)
        returning t.key_value
      ),
      told as (
        insert into lakeward.journal (kind, dataset, entity, actor, profile, model, source, workspace, request_id)
        select 'undo', %1$L, u.key_value, $3, $4, $5, $6, $7, $8 from undone u
      )
      insert into lake.%1$I (%2$s) select %3$s
      from lakeward.tombstone t
      cross join lateral jsonb_populate_record(null::lake.%1$I, t.image || coalesce(t.image -> '', '{}')) r
      where t.dataset_id = $2 and t.id = any($1)
      $sql$, dataset, columns, restorable
    ) using ids, home.dataset_id, who.actor, who.profile, who.model, who.source, who.workspace, who.request_id;
  exception
    when unique_violation then
      raise unique_violation using
        message = format('a row of dataset %L has one of these keys by now, so nothing was restored', dataset);
    when data_exception or not_null_violation or check_violation then
      raise unique_violation using message = format(
        'the columns of dataset %L are others than when the rows were tombstoned, so nothing was restored', dataset
      );
  end;
  perform set_config('lakeward.journal_rows', journal_rows, true);
  update lakeward.dataset d set row_count = d.row_count + restored, version = d.version + 1, updated_at = now()
  where d.id = home.dataset_id;
end $$;
