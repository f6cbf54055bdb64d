-- Ends the sessions of people that hold a lock on a relation: it is about to be replaced or taken away, and who sits on it in an
-- open transaction must not keep it. The app's own sessions are never touched; they wait for each other.
create or replace function lakeward.end_readers(relation regclass) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select count(pg_terminate_backend(s.pid, 5000))
  from lakeward.login_sessions() s
  -- asked for by name, and not there yet
  where end_readers.relation is not null and s.pid in (
    select l.pid from pg_locks l
    where l.locktype = 'relation' and l.relation = end_readers.relation and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
  )
$$;
