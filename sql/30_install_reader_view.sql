-- Creates the view through which one profile reads one relation, under the relation's own name, in the profile's schema.
-- Columns are listed one by one: a column that is added later is not in the view until it is made again.
create or replace function lakeward.install_reader_view(reader text, relation bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target record;
  columns text;
begin
  select p.schema_name, p.role_name, r.name into strict target
  from lakeward.profile p, lakeward.relation r
  where p.id = reader and r.id = relation;
  select string_agg(format('%I', c.name), ', ' order by c.position) into columns
  from lakeward.dataset_column c where c.dataset_id = relation;
  execute format('drop view if exists %I.%I', target.schema_name, target.name);
  if columns is null then
    return; -- registered, but no file has been loaded yet
  end if;
  execute format(
    'create view %I.%I with (security_barrier) as select %s from lake.%I',
    target.schema_name, target.name, columns, target.name
  );
  -- while it is still the owner's; the right goes along to the gate
  execute format('grant select on %I.%I to %I', target.schema_name, target.name, target.role_name);
  execute format('alter view %I.%I owner to %I', target.schema_name, target.name, lakeward.role_of('gate'));
end $$;
