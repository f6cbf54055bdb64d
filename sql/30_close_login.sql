-- Nobody can log in any more with a login that create_login made; any other role is refused. Who wants to be sure that no
-- session outlives drop_login commits this first: one could begin while the role is being dropped.
create or replace function lakeward.close_login(login text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (
    select from pg_auth_members m
    join pg_roles u on u.oid = m.member
    join pg_roles g on g.oid = m.roleid
    join lakeward.profile p on p.role_name = g.rolname
    where u.rolname = close_login.login and u.rolname not in (lakeward.role_of('service'), lakeward.role_of('owner'))
  ) then
    raise exception 'no login %', close_login.login using errcode = 'no_data_found';
  end if;
  execute format('alter role %I nologin', close_login.login);
end $$;
