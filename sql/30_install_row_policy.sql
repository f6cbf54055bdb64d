-- Who may read rows of a dataset's table: whoever is bound to the dataset or to a view of it, and the steward. The policy is
-- on the bindings table, TO PUBLIC, so that a stray GRANT on the table leaks nothing. A person's own session is put on
-- record by it before the first row, whichever way it came (lakeward.record_read); the app's reads record themselves.
create or replace function lakeward.install_row_policy(dataset_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  dataset lakeward.dataset;
begin
  select d.* into strict dataset from lakeward.dataset d where d.id = install_row_policy.dataset_id;
  execute format('alter table lake.%I enable row level security', dataset.name);
  execute format('drop policy if exists readers on lake.%I', dataset.name);
  execute format(
    'create policy readers on lake.%1$I for select to public using ('
    '(select (exists (select from lakeward.binding b'
    ' where b.base_id = %2$L::bigint and b.role_name = current_user) or current_user = %3$L)'
    ' and (session_user = %4$L or lakeward.record_read(%2$L::bigint))))',
    dataset.name, dataset.id, lakeward.role_of('steward'), lakeward.role_of('service')
  );
end $$;
