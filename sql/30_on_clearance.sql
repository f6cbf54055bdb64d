-- A profile has another access role, or an access role another clearance: what the readers see follows at once.
create or replace function lakeward.on_clearance() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item record;
begin
  for item in
    select b.profile_id, b.relation_id
    from lakeward.binding b
    join lakeward.profile p on p.id = b.profile_id
    where case tg_table_name when 'profile' then p.id = to_jsonb(new) ->> 'id' else p.access_role = to_jsonb(new) ->> 'name' end
    order by b.id
  loop
    perform lakeward.install_reader_view(item.profile_id, item.relation_id);
  end loop;
  return null;
end $$;
