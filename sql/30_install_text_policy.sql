-- The texts and the vectors of an index are read by whom they are granted to; a person's own session is put on record before
-- the first one. In the app's sessions nothing is left of the policy when a statement is planned, and nothing stands between
-- a search and HNSW.
create or replace function lakeward.install_text_policy(index_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  chunks text := (select i.table_name from lakeward.vector_index i where i.id = install_text_policy.index_id);
  part text;
begin
  foreach part in array array[chunks, chunks || '_text'] loop
    execute format('alter table vec.%I enable row level security', part);
    execute format('drop policy if exists readers on vec.%I', part);
    execute format(
      'create policy readers on vec.%I for select to public using ('
      'lakeward.session_is(%L) or (select lakeward.record_read(null, %L::bigint)))',
      part, lakeward.role_of('service'), index_id
    );
  end loop;
end $$;
