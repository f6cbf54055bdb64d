-- A dataset is a row; its table goes with it, and with the table every reader's view of it.
create or replace function lakeward.on_dataset() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('drop table if exists lake.%I cascade', old.name);
  return null;
end $$;
