-- Takes back a login that create_login made, and ends its sessions; any other role is refused.
create or replace function lakeward.drop_login(login text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform lakeward.close_login(drop_login.login);
  perform lakeward.drop_reader_role(drop_login.login);
  perform lakeward.append_journal('login_dropped', null, drop_login.login, null, null, null);
end $$;
