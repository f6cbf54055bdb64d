-- A LOGIN role that is member of exactly one profile, for psql. It has no right of its own: at login it becomes the
-- profile (policies compare with current_user) and RESET ROLE brings it back there; its search_path is the profile's schema.
-- `verifier` is a SCRAM-SHA-256 verifier computed by the caller, so that no password is in a statement.
-- Called by the owner, with the owner's own rights: Postgres refuses `alter role ... set role` in a SECURITY DEFINER function.
create or replace function lakeward.create_login(profile_id text, login text, verifier text, valid_until timestamptz)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  profile lakeward.profile;
begin
  if verifier is null or verifier !~ '^SCRAM-SHA-256\$' then
    raise exception 'the password must come as a SCRAM-SHA-256 verifier' using errcode = 'check_violation';
  end if;
  select p.* into strict profile from lakeward.profile p where p.id = create_login.profile_id;
  execute format(
    'create role %I login noinherit connection limit 10 password %L valid until %L',
    login, verifier, coalesce(valid_until, 'infinity')
  );
  execute format('grant %I to %I with inherit false, set true', profile.role_name, login);
  -- its sessions can be seen and ended by who has its rights, which are none
  execute format('grant %I to %I with inherit true, set false', login, current_user);
  execute format('alter role %I in database %I set role to %I', login, current_database(), profile.role_name);
  execute format('alter role %I in database %I set search_path to %I', login, current_database(), profile.schema_name);
  -- a forgotten transaction keeps its locks on views, and whatever replaces one would wait for it
  execute format(
    'alter role %I in database %I set idle_in_transaction_session_timeout to %L', login, current_database(), '10min'
  );
  -- what a statement reads is recorded while it reads (lakeward.record_read), and a parallel worker cannot write
  execute format(
    'alter role %I in database %I set max_parallel_workers_per_gather to %L', login, current_database(), '0'
  );
  perform lakeward.append_journal(
    'login_created', null, login, null, null, jsonb_build_object('profile', profile_id, 'valid_until', valid_until)
  );
end $$;
