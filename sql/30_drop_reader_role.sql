-- Drops a profile's role or a power user's login, with what its own SQL may have left behind: nobody can be kept from
-- making large objects and default privileges, and they would keep the role from being dropped. So would the right to
-- a large object that another reader gave it; the owner is that reader's member while it takes the right back.
-- A session does not end with its role; it would go on as before, and could keep its locks for ever.
create or replace function lakeward.drop_reader_role(reader text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  given record;
begin
  execute format('grant %I to %I with inherit true', reader, current_user);
  perform pg_terminate_backend(a.pid, 5000) from pg_stat_activity a where a.usename = reader and a.pid <> pg_backend_pid();
  for given in
    select l.oid as lob, o.rolname as giver
    from pg_largeobject_metadata l
    cross join lateral aclexplode(l.lomacl) a
    join pg_roles r on r.oid = a.grantee
    join pg_roles o on o.oid = l.lomowner
    where r.rolname = reader and o.rolname <> reader and pg_has_role(o.oid, 'usage with admin option')
  loop
    execute format('grant %I to %I with inherit true', given.giver, current_user);
    execute format('revoke all on large object %s from %I', given.lob, reader);
    execute format('revoke inherit option for %I from %I', given.giver, current_user);
  end loop;
  execute format('drop owned by %I', reader);
  execute format('drop role %I', reader);
end $$;
