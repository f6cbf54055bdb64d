-- Records one read or call, and answers true: where a read is made to depend on that, a read that cannot be recorded does
-- not happen. Everybody may call it: it records the caller, never somebody else. The app names the door; a person's own
-- session is the door psql, whatever it says, and says nothing else that is a text of its own: what is on record stays, and
-- an erasure must be able to take a person out of it.
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
  if append_audit.operation <> 'select' and not exists (
      -- its own: what is accepted must not tell which others there are
      select from lakeward.index_reader x join lakeward.vector_index i on i.id = x.index_id
      where x.role_name = current_setting('role') and append_audit.operation in ('search ' || i.name, 'similar ' || i.name)
    )
    or exists (
      select from unnest(append_audit.relations) said (name)
      where not exists (
        select from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
        where b.role_name = current_setting('role') and r.name = said.name
      )
    )
    or append_audit.arguments_sha256 !~ '^[0-9a-f]{64}$' or append_audit.outcome <> 'ok'
    or append_audit.rows < 0 or append_audit.duration_ms < 0 or append_audit.duration_ms = 'NaN'
    or array_ndims(append_audit.hits) > 1 or octet_length(append_audit.hits::text) > 1000000
  then
    raise insufficient_privilege using
      message = 'append_audit records what a search or a select has read, and no words of its caller''s',
      hint = 'lakeward.search() and a select are on record by themselves.';
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
