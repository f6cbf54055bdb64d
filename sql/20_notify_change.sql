-- Tells every process that the catalog changed, so that what it remembers of it is looked up again.
create or replace function lakeward.notify_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('lakeward_changed', tg_table_name);
  return null;
end $$;
