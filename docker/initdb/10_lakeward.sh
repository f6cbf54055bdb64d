#!/bin/sh
# Runs once, as Postgres' superuser, in a new cluster: what Lakeward's own login may not do for itself.
# That login owns its database and may create roles; it is no superuser.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$LAKEWARD_ADMIN_PASSWORD" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
create role lakeward login createrole noinherit password :'password';
create database lakeward owner lakeward encoding 'UTF8' template template0;
-- logins belong to the whole server: what one left in another database, no erasure would look at
revoke connect, temporary on database postgres, template1 from public;
\connect lakeward
-- what all sessions share is not a reader's to hold; migrate hands it on to Lakeward's own roles
do $$
declare
  shared text := (
    select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and (p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
      or p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lowrite'))
  );
begin
  execute format('revoke execute on function %s from public', shared);
  execute format('grant execute on function %s to lakeward with grant option', shared);
end $$;
create schema ext;
create extension vector schema ext;
grant usage on schema ext to public;
grant usage on schema ext to lakeward with grant option;
SQL
