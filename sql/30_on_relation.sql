-- A relation goes: its bindings first, while the row that names their views is still there.
create or replace function lakeward.on_relation() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  delete from lakeward.binding where relation_id = old.id;
  return old;
end $$;
