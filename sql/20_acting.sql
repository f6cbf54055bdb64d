-- Who acts, for the record. What the app says in `lakeward.actor` counts only when the session is the service login's:
-- anybody can set a custom setting. Everybody else is the login of the session, with the profile whose role it has.
-- For SECURITY DEFINER functions: it reads tables of the owner's.
create or replace function lakeward.acting(
  out actor text, out profile text, out model text, out source text, out workspace text, out request_id text
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  said jsonb;
begin
  -- the definer is the owner, and the two roles' names differ in their ends alone (app/db/bootstrap.py); to look the name
  -- up would cost a quarter of an entry
  if session_user = left(current_user, -length('owner')) || 'service' then
    said := coalesce(nullif(current_setting('lakeward.actor', true), ''), '{}')::jsonb;
    actor := coalesce(said ->> 'principal', '');
    profile := nullif(said ->> 'profile', '');
    model := nullif(said ->> 'model', '');
    source := coalesce(nullif(said ->> 'source', ''), 'service');
    workspace := nullif(said ->> 'workspace', '');
    request_id := nullif(said ->> 'request_id', '');
  else
    actor := session_user;
    profile := (select p.id from lakeward.profile p where p.role_name = current_setting('role', true));
    source := 'sql';
  end if;
end $$;
