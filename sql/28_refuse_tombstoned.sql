-- A row of a tombstoned key is not inserted by hand either, whoever tries. Loads and undo, the owner's own code, have left
-- such rows out before they come here and say so in lakeward.journal_rows; from the service's login that is believed.
create or replace function lakeward.refuse_tombstoned() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  home record;
  secret lakeward.secret;
  back text;
begin
  if current_setting('lakeward.journal_rows', true) = 'off' and session_user = lakeward.role_of('service') then
    return null;
  end if;
  select d.id, d.row_key, format_type(a.atttypid, null) as key_type into home
  from lakeward.dataset d
  join pg_attribute a on a.attrelid = tg_relid and a.attname = d.row_key
  where d.id = tg_argv[0]::bigint and exists (
    select from lakeward.tombstone t where t.dataset_id = d.id and t.undone_at is null
  );
  if not found then
    return null;
  end if;
  select s.* into strict secret from lakeward.secret s;
  execute format(
    'select n.%1$I::text from new_rows n join lakeward.tombstone t on t.dataset_id = $3 and t.key_hash = %2$s '
    'and t.row_key_column = %1$L and t.undone_at is null limit 1',
    home.row_key, lakeward.key_hash_sql(format('n.%I', home.row_key), home.key_type)
  ) into back using secret.hmac_outer, secret.hmac_inner, home.id;
  if back is not null then
    raise check_violation using
      message = format('the key %L of %I has a tombstone: take it back first (lakeward undo)', left(back, 60), tg_table_name);
  end if;
  return null;
end $$;
