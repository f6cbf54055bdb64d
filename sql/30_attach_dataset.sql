-- Makes a loaded table the home of a dataset: its name, its policy, and who may read it.
-- The policy is on the bindings table, TO PUBLIC, so that a stray GRANT on the table leaks nothing.
create or replace function lakeward.attach_dataset(dataset_id bigint, load_table text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  dataset lakeward.dataset;
  unique_index text;
begin
  select d.* into strict dataset from lakeward.dataset d where d.id = dataset_id;
  execute format('alter table lake.%I rename to %I', load_table, dataset.name);
  for unique_index in
    select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = format('lake.%I', dataset.name)::regclass and i.indisunique
  loop
    execute format('alter index lake.%I rename to %I', unique_index, dataset.name || '_row_key');
  end loop;
  perform lakeward.install_row_policy(dataset.id);
  execute format(
    'create or replace trigger refuse_tombstoned after insert on lake.%I referencing new table as new_rows '
    'for each statement execute function lakeward.refuse_tombstoned(%L)', dataset.name, dataset.id
  );
  execute format(
    'grant select on lake.%I to %I, %I',
    dataset.name, lakeward.role_of('gate'), lakeward.role_of('steward')
  );
  perform lakeward.install_journal(dataset.id);
end $$;
