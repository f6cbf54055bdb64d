#!/bin/sh
# Runs once, as Postgres' superuser, in a new cluster: what Lakeward's own login may not do for itself.
# That login owns its database and may create roles; it is no superuser.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$LAKEWARD_ADMIN_PASSWORD" \
    --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
create role lakeward login createrole noinherit password :'password';
create database lakeward owner lakeward encoding 'UTF8' template template0;
\connect lakeward
create schema ext;
create extension vector schema ext;
grant usage on schema ext to public;
grant usage on schema ext to lakeward with grant option;
SQL
