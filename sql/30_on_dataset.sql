-- A dataset is a row; its table and its tombstones go with it, and with the table every reader's view of it. What journals its rows is
-- written for its row key.
create or replace function lakeward.on_dataset() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'UPDATE' then
    perform lakeward.install_journal(new.id);
    return null;
  end if;
  perform lakeward.end_readers(to_regclass(format('lake.%I', old.name)));
  execute format('drop table if exists lake.%I cascade', old.name);
  delete from lakeward.tombstone t where t.dataset_id = old.id;
  execute format('drop function if exists record.%I()', 'journal_rows_' || old.id);
  return null;
end $$;
