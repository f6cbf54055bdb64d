-- Makes a column the row key of a dataset's table: unique and not null, or the caller's transaction fails.
create or replace function lakeward.ensure_row_key(dataset_id bigint, row_key text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  table_name text;
begin
  select d.name into strict table_name from lakeward.dataset d where d.id = dataset_id;
  execute format('alter table lake.%I alter column %I set not null', table_name, row_key);
  if not exists (
    select from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = format('lake.%I', table_name)::regclass and i.indisunique and i.indnatts = 1
      and i.indpred is null and a.attname = row_key
  ) then
    -- the row key before this one, if there was one
    execute format('drop index if exists lake.%I', table_name || '_row_key');
    execute format('create unique index %I on lake.%I (%I)', table_name || '_row_key', table_name, row_key);
  end if;
end $$;
