-- A column is classified: what the readers see of its dataset follows at once.
create or replace function lakeward.on_column_sensitivity() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item record;
begin
  for item in
    select distinct n.dataset_id from new_columns n join old_columns o using (dataset_id, name)
    where n.sensitivity <> o.sensitivity
  loop
    perform lakeward.install_readers(item.dataset_id);
  end loop;
  return null;
end $$;
