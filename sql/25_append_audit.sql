-- Records one read or call, and answers true: where a read is made to depend on that, a read that cannot be recorded does
-- not happen. Everybody may call it: it records the caller, never somebody else. The app names the door; a person's own
-- session is the door psql, whatever it says.
create or replace function lakeward.append_audit(
  door text, operation text, relations text[], arguments_sha256 text, rows bigint, hits text[],
  duration_ms double precision, outcome text
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- as in lakeward.acting, spelled out for the app: every search pays for it
  said jsonb;
  who record;
begin
  if session_user = left(current_user, -length('owner')) || 'service' then
    said := coalesce(nullif(current_setting('lakeward.actor', true), ''), '{}')::jsonb;
    insert into lakeward.audit_entry (
      principal, login, profile, model, door, operation, relations, arguments_sha256, rows, hits, duration_ms, outcome,
      request_id
    )
    values (
      coalesce(said ->> 'principal', ''), session_user, nullif(said ->> 'profile', ''), nullif(said ->> 'model', ''),
      append_audit.door, append_audit.operation, coalesce(append_audit.relations, '{}'), append_audit.arguments_sha256,
      append_audit.rows, append_audit.hits, append_audit.duration_ms, append_audit.outcome,
      nullif(said ->> 'request_id', '')
    );
    return true;
  end if;
  select * into strict who from lakeward.acting();
  insert into lakeward.audit_entry (
    principal, login, profile, model, door, operation, relations, arguments_sha256, rows, hits, duration_ms, outcome, request_id
  )
  values (
    who.actor, session_user, who.profile, who.model, 'psql', append_audit.operation, coalesce(append_audit.relations, '{}'),
    append_audit.arguments_sha256, append_audit.rows, append_audit.hits, append_audit.duration_ms, append_audit.outcome,
    who.request_id
  );
  return true;
end $$;
