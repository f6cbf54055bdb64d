-- An index's tables are called as the index is when it is made, unless somebody says otherwise.
create or replace function lakeward.name_index_tables() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.table_name := coalesce(new.table_name, new.name);
  return new;
end $$;
