-- Ends the sessions of people that hold a lock on a relation: it is about to be replaced or taken away, and who sits on it in an
-- open transaction must not keep it. The app's own sessions are never touched; they wait for each other.
create or replace function lakeward.end_readers(relation regclass) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  holder record;
  ended integer := 0;
begin
  if relation is null then
    return 0; -- asked for by name, and not there yet
  end if;
  for holder in
    select a.pid, a.usename from pg_locks l
    join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'relation' and l.relation = end_readers.relation and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and a.usename in (
        select u.rolname from lakeward.profile p
        join pg_roles g on g.rolname = p.role_name
        join pg_auth_members m on m.roleid = g.oid
        join pg_roles u on u.oid = m.member
        where u.rolname not in (lakeward.role_of('service'), lakeward.role_of('owner'))
      )
  loop
    -- who has another's rights may end its sessions; the owner made these roles, and may have them for a moment
    execute format('grant %I to %I with inherit true', holder.usename, current_user);
    ended := ended + pg_terminate_backend(holder.pid, 5000)::integer;
    execute format('revoke %I from %I', holder.usename, current_user);
  end loop;
  return ended;
end $$;
