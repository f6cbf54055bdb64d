-- An empty table with the columns that the catalog lists for a dataset; attach_dataset makes it the dataset's home.
create or replace function lakeward.create_dataset_table(dataset_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  dataset lakeward.dataset;
  columns text;
begin
  select d.* into strict dataset from lakeward.dataset d where d.id = create_dataset_table.dataset_id;
  -- the catalog's type words are checked where columns are planned; format_type refuses anything else here
  -- uncompressed: a byte scan must be able to find what erasure has to remove
  select string_agg(
    format(
      '%I %s %s', c.name, format_type(lakeward.column_type(c.type), null),
      case when c.type in ('text', 'text[]', 'jsonb', 'bytea') then 'storage external' else '' end
    ), ', ' order by c.position
  ) into columns from lakeward.dataset_column c where c.dataset_id = dataset.id;
  execute format('create table lake.%I (%s)', '_load_' || dataset.id, columns);
  if dataset.row_key is not null then
    execute format(
      'alter table lake.%I alter column %I set not null, add unique (%I)',
      '_load_' || dataset.id, dataset.row_key, dataset.row_key
    );
  end if;
  perform lakeward.attach_dataset(dataset.id, '_load_' || dataset.id);
  perform lakeward.install_readers(dataset.id);
end $$;
