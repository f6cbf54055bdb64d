-- Takes a reader's right to an index back, with the view of its hits.
create or replace function lakeward.remove_index_reader(index_id bigint, binding_id bigint, reader text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  chunks text;
begin
  -- what was never granted is not revoked: each revoke on an index copies the list of all its readers
  delete from lakeward.index_reader x
  where x.index_id = remove_index_reader.index_id and x.binding_id = remove_index_reader.binding_id;
  if not found then
    return;
  end if;
  select i.table_name into chunks from lakeward.vector_index i where i.id = remove_index_reader.index_id;
  -- who of this reader sits on it in an open transaction must keep neither it nor what it shows (as lakeward.end_readers)
  perform pg_terminate_backend(s.pid, 5000)
  from lakeward.login_sessions() s
  where pg_has_role(s.login, remove_index_reader.reader, 'set') and s.pid in (
    select l.pid from pg_locks l
    where l.locktype = 'relation' and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database())
      and l.relation in (
        to_regclass(format('vec.%I', format('hits_%s_%s', remove_index_reader.index_id, remove_index_reader.binding_id))),
        to_regclass(format('vec.%I', chunks || '_text'))
      )
  );
  execute format('drop view if exists vec.%I', format('hits_%s_%s', remove_index_reader.index_id, remove_index_reader.binding_id));
  if to_regclass(format('vec.%I', chunks)) is not null then
    -- the rights to single columns go with it
    execute format(
      'revoke select on vec.%I, vec.%I, vec.%I from %I', chunks, chunks || '_text', chunks || '_pending', reader
    );
  end if;
end $$;
