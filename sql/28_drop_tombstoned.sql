-- Takes the rows of tombstoned keys out of a load table, so that a deleted subject does not come back with the next file.
-- Of an erased one only the key's hash is left, so every row's key is hashed then, and only then.
create or replace function lakeward.drop_tombstoned(dataset_id bigint, load_table text, row_key text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  key_type text;
  dropped bigint;
  dropped_erased bigint := 0;
begin
  if not exists (
    select from lakeward.tombstone t where t.dataset_id = drop_tombstoned.dataset_id and t.undone_at is null
  ) then
    return 0;
  end if;
  -- compared as the dataset has its key, whatever type the file's turned out to have
  select coalesce(c.type, 'text') into key_type
  from lakeward.dataset d
  left join lakeward.dataset_column c on c.dataset_id = d.id and c.name = d.row_key
  where d.id = drop_tombstoned.dataset_id;
  execute format(
    'delete from lake.%I l using lakeward.tombstone t where t.dataset_id = $1 and t.undone_at is null '
    'and t.key_value = l.%I::%s::text', load_table, row_key, lakeward.column_type(key_type)
  ) using drop_tombstoned.dataset_id;
  get diagnostics dropped = row_count;
  if exists (
    select from lakeward.tombstone t
    where t.dataset_id = drop_tombstoned.dataset_id and t.undone_at is null and t.key_value is null
  ) then
    execute format(
      'delete from lake.%I l using lakeward.tombstone t, lakeward.secret s where t.dataset_id = $1 and t.undone_at is null '
      'and t.key_value is null '
      'and t.key_hash = sha256(s.hmac_outer || sha256(s.hmac_inner || convert_to(l.%I::%s::text, ''UTF8'')))',
      load_table, row_key, lakeward.column_type(key_type)
    ) using drop_tombstoned.dataset_id;
    get diagnostics dropped_erased = row_count;
  end if;
  return dropped + dropped_erased;
end $$;
