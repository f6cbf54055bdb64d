-- Who may read rows of a dataset's table: whoever is bound to the dataset or to a view of it, and the steward. The policy is
-- on the bindings table, TO PUBLIC, so that a stray GRANT on the table leaks nothing.
create or replace function lakeward.install_row_policy(dataset_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  dataset lakeward.dataset;
begin
  select d.* into strict dataset from lakeward.dataset d where d.id = install_row_policy.dataset_id;
  execute format('alter table lake.%I enable row level security', dataset.name);
  execute format('drop policy if exists readers on lake.%I', dataset.name);
  execute format(
    'create policy readers on lake.%I for select to public using ('
    '(select exists (select from lakeward.binding b'
    ' where b.base_id = %L::bigint and b.role_name = current_user) or current_user = %L))',
    dataset.name, dataset.id, lakeward.role_of('steward')
  );
end $$;
