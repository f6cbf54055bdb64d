-- Drops the power users' logins of a profile: a login is member of exactly one profile and goes with it.
create or replace function lakeward.drop_logins(profile_role text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  login text;
begin
  for login in
    select u.rolname from pg_auth_members m
    join pg_roles g on g.oid = m.roleid
    join pg_roles u on u.oid = m.member
    where g.rolname = profile_role and u.rolname not in (lakeward.role_of('service'), lakeward.role_of('owner'))
  loop
    perform lakeward.drop_login(login);
  end loop;
end $$;
