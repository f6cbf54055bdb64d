-- Who the caller is: its login, its profile (null for an admin), its access role, and the relations that it may read. In the
-- app's own sessions `login` is the app's; who it acts for is in the record, not here.
create or replace function lakeward.whoami()
returns table (login text, profile text, access_role text, relations text[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  select session_user::text, p.id,
    case when p.id is null and exists (select from lakeward.deployment) then 'admin' else p.access_role end,
    array(select r.name from lakeward.relation r order by r.name)
  from (select) nobody
  left join lakeward.profile p on p.role_name = current_user
$$;
