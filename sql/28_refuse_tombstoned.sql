-- A row of a tombstoned key is not inserted by hand either, whoever tries; loads leave such rows out before they come here.
create or replace function lakeward.refuse_tombstoned() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  home record;
  back text;
begin
  select d.id, d.row_key into home from lakeward.dataset d where d.id = tg_argv[0]::bigint;
  if home.row_key is null or not exists (
    select from lakeward.tombstone t where t.dataset_id = home.id and t.undone_at is null
  ) then
    return null;
  end if;
  execute format(
    'select n.%1$I::text from new_rows n join lakeward.tombstone t on t.dataset_id = $1 and t.undone_at is null '
    'and t.key_hash = lakeward.key_hash(n.%1$I::text) limit 1', home.row_key
  ) into back using home.id;
  if back is not null then
    raise check_violation using
      message = format('a row of %I has a tombstone: take it back first (lakeward undo)', tg_table_name);
  end if;
  return null;
end $$;
