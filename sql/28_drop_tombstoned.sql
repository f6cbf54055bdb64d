-- Takes the rows of tombstoned keys out of a load table, so that a deleted subject does not come back with the next file; how
-- many that were. A tombstone is about the column that was the row key when it was made, and holds as long as files have
-- that column, whatever the row key is now. Values are compared as the type that they will have in the dataset: that of its
-- own column, or the load table's when that takes its place (`as_loaded`). Of an erased key only the hash is left, so every row's
-- key is hashed then, and only then.
create or replace function lakeward.drop_tombstoned(dataset_id bigint, load_table text, as_loaded boolean) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  secret lakeward.secret;
  key record;
  dropped bigint;
  total bigint := 0;
begin
  for key in
    select h.row_key_column as name, h.erased, h.known,
      format_type(case when not as_loaded then lakeward.column_type(c.type) else l.atttypid end, null) as type
    from (
      select t.row_key_column, bool_or(t.key_value is null) as erased, bool_or(t.key_value is not null) as known
      from lakeward.tombstone t
      where t.dataset_id = drop_tombstoned.dataset_id and t.undone_at is null
      group by t.row_key_column
    ) h
    join pg_attribute l on l.attrelid = format('lake.%I', load_table)::regclass and l.attname = h.row_key_column and l.attnum > 0
    left join lakeward.dataset_column c on c.dataset_id = drop_tombstoned.dataset_id and c.name = h.row_key_column
    order by h.row_key_column
  loop
    if key.known then
      execute format(
        'delete from lake.%1$I l where l.%2$I::%3$s in (select case when pg_input_is_valid(t.key_value, %4$L) then t.key_value::%3$s end '
        'from lakeward.tombstone t where t.dataset_id = $1 and t.row_key_column = %2$L and t.undone_at is null '
        'and t.key_value is not null)', load_table, key.name, key.type, key.type
      ) using drop_tombstoned.dataset_id;
      get diagnostics dropped = row_count;
      total := total + dropped;
    end if;
    if key.erased then
      select s.* into strict secret from lakeward.secret s;
      execute format(
        'delete from lake.%1$I l where %3$s in (select t.key_hash from lakeward.tombstone t where t.dataset_id = $3 '
        'and t.row_key_column = %2$L and t.undone_at is null and t.key_value is null)',
        load_table, key.name, lakeward.key_hash_sql(format('l.%I::%s', key.name, key.type), key.type)
      ) using secret.hmac_outer, secret.hmac_inner, drop_tombstoned.dataset_id;
      get diagnostics dropped = row_count;
      total := total + dropped;
    end if;
  end loop;
  return total;
end $$;
