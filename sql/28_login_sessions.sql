-- The sessions of people in this database: of the logins that create_login made.
create or replace function lakeward.login_sessions()
returns table (pid integer, login text, state text, state_change timestamptz, xact_start timestamptz)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select a.pid, a.usename::text, a.state, a.state_change, a.xact_start
  from lakeward.profile p
  join pg_roles g on g.rolname = p.role_name
  join pg_auth_members m on m.roleid = g.oid
  join pg_stat_activity a on a.usesysid = m.member
  where a.datname = current_database() and a.usename not in (lakeward.role_of('service'), lakeward.role_of('owner'))
$$;
