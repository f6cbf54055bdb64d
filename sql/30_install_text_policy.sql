-- The texts of an index are read by whom they are granted to; a person's own session is put on record before the first one.
create or replace function lakeward.install_text_policy(index_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  texts text := (select i.table_name || '_text' from lakeward.vector_index i where i.id = install_text_policy.index_id);
begin
  execute format('alter table vec.%I enable row level security', texts);
  execute format('drop policy if exists readers on vec.%I', texts);
  execute format(
    'create policy readers on vec.%I for select to public using ('
    '(select session_user = %L or lakeward.record_read(null, %L::bigint)))',
    texts, lakeward.role_of('service'), index_id
  );
end $$;
