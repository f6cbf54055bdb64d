-- Puts on record that a person's own session reads a dataset's rows, or an index's texts: called by the row policies, once for
-- each statement and table, before the first row is shown. Answers true, or the statement fails: in a read-only
-- transaction, in a parallel worker, or where the audit cannot be written, nothing is shown. The app's own reads are
-- recorded by what reads, and never come here. A rollback takes the entry back, but not the line in the server's log,
-- which has the same hash of the statement.
-- A statement has one entry for what it reads of a relation, be it rows, texts or vectors: a search reads all three. Only an
-- entry that this very transaction wrote during this very statement stands for another, and when it was taken back, none does.
-- It is called parallel safe so that the app's plans, which never call it, may be parallel; logins are made without.
create or replace function lakeward.record_read(dataset_id bigint, index_id bigint default null) returns boolean
language plpgsql security definer parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  names text[];
  statement constant text := encode(sha256(convert_to(coalesce(current_query(), ''), 'UTF8')), 'hex');
begin
  if index_id is not null then
    names := array(
      select r.name from lakeward.vector_index i join lakeward.relation r on r.id = i.relation_id
      where i.id = record_read.index_id
    );
  else
    -- the relations through which the reader may have come to the dataset
    names := array(
      select r.name from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
      where b.base_id = record_read.dataset_id and b.role_name = current_setting('role') order by r.name
    );
  end if;
  raise log 'lakeward audit: % reads %, statement %', session_user, names, statement;
  if exists (
    select from lakeward.audit_entry a
    where a.at >= statement_timestamp() and a.xmin = pg_current_xact_id()::xid
      and a.login = session_user and a.door = 'psql' and a.operation = 'select' and a.arguments_sha256 = statement
      and a.profile is not distinct from (select w.profile from lakeward.acting() w)
      and a.relations @> names and a.outcome = 'ok' and num_nonnulls(a.rows, a.hits, a.duration_ms) = 0
  ) then
    return true;
  end if;
  return lakeward.append_audit('psql', 'select', names, statement, null, null, null, 'ok');
end $$;
