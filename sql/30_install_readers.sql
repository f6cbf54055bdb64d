-- Makes every view anew that shows something of a dataset: the safe views of it and what all readers see of either.
create or replace function lakeward.install_readers(dataset_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item record;
begin
  for item in select b.view_id from lakeward.safe_view_base b where b.base_id = install_readers.dataset_id loop
    perform lakeward.install_safe_view(item.view_id);
  end loop;
  for item in
    select b.profile_id, b.relation_id from lakeward.binding b where b.base_id = install_readers.dataset_id order by b.id
  loop
    perform lakeward.install_reader_view(item.profile_id, item.relation_id);
  end loop;
end $$;
