-- A safe view is two rows; the view in lake, and what its readers see, follow. Called for safe_view_base, which is
-- written last; what the view is made of never changes while an index is built on it.
create or replace function lakeward.on_safe_view() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item record;
begin
  perform lakeward.install_safe_view(new.view_id);
  for item in select b.profile_id from lakeward.binding b where b.relation_id = new.view_id loop
    perform lakeward.install_reader_view(item.profile_id, new.view_id);
  end loop;
  return null;
end $$;
