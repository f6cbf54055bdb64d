-- With the row goes the view in lake; readers' views went with their bindings.
create or replace function lakeward.on_safe_view_delete() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('drop view if exists lake.%I', old.name);
  return null;
end $$;
