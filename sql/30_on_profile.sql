-- A profile is a row; its role and its schema follow it. The app's login may become the profile, never inherit it.
create or replace function lakeward.on_profile() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'INSERT' then
    execute format('create role %I nologin noinherit', new.role_name);
    execute format(
      'grant %I to %I with inherit false, set true', new.role_name, lakeward.role_of('service')
    );
    execute format('create schema %I', new.schema_name);
    execute format('grant usage, create on schema %I to %I', new.schema_name, lakeward.role_of('gate'));
    execute format('grant usage on schema %I to %I', new.schema_name, new.role_name);
    return null;
  elsif tg_op = 'UPDATE' then
    if (new.id, new.role_name, new.schema_name) is distinct from (old.id, old.role_name, old.schema_name) then
      raise exception 'a profile keeps its name' using errcode = 'check_violation';
    end if;
    return new;
  end if;
  -- BEFORE DELETE: the row that names the role is still there. An open transaction of a login would keep its views
  perform lakeward.drop_logins(old.role_name);
  delete from lakeward.binding where profile_id = old.id;
  execute format('drop schema %I cascade', old.schema_name);
  perform lakeward.drop_reader_role(old.role_name);
  return old;
end $$;
