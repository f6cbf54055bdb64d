-- Takes back a login that create_login made; any other role is refused.
create or replace function lakeward.drop_login(login text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (
    select from pg_auth_members m
    join pg_roles u on u.oid = m.member
    join pg_roles g on g.oid = m.roleid
    join lakeward.profile p on p.role_name = g.rolname
    where u.rolname = login and u.rolcanlogin and login <> lakeward.role_of('service')
  ) then
    raise exception 'no login %', login using errcode = 'no_data_found';
  end if;
  perform lakeward.drop_reader_role(login);
end $$;
