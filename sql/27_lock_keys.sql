-- The dataset whose keys are about to be tombstoned or taken back, locked as a load locks it: loads, tombstones and undo of
-- one dataset run one after another. Refuses what cannot be: no such dataset, no row key, another column, a key of another type.
create or replace function lakeward.lock_keys(
  dataset text, row_key_column text, keys text[], out dataset_id bigint, out row_key text, out key_type text
)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' as $$
declare
  unfit text;
begin
  select d.id, d.row_key into dataset_id, row_key from lakeward.dataset d where d.name = lock_keys.dataset for update;
  if dataset_id is null then
    raise no_data_found using message = format('no dataset %L', left(lock_keys.dataset, 60));
  elsif row_key is null then
    raise invalid_parameter_value using
      message = format('dataset %L has no row key, so its rows cannot be named; give it one first', lock_keys.dataset);
  elsif row_key <> coalesce(row_key_column, row_key) then
    raise unique_violation using
      message = format(
        'the row key of dataset %L is %L, not %L', lock_keys.dataset, row_key, left(row_key_column, 60)
      );
  elsif exists (select from lakeward.bucket_dataset b where b.dataset_id = lock_keys.dataset_id) then
    raise invalid_parameter_value using
      message = format('the rows of dataset %L are in a bucket, where SQL does not reach them: use lakeward tombstone', lock_keys.dataset);
  elsif to_regclass(format('lake.%I', lock_keys.dataset)) is null then
    raise invalid_parameter_value using message = format('dataset %L has no rows yet', lock_keys.dataset);
  end if;
  select format_type(a.atttypid, a.atttypmod) into strict key_type
  from pg_attribute a
  where a.attrelid = format('lake.%I', lock_keys.dataset)::regclass and a.attname = row_key;
  select k into unfit from unnest(keys) k where k is null or not pg_input_is_valid(k, key_type) limit 1;
  if found then
    raise invalid_parameter_value using
      message = format('the key %L does not fit %I, which is %s', left(unfit, 60), row_key, key_type);
  end if;
end $$;
