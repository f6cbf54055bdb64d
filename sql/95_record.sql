-- Journal and audit can be written from the first moment on, and every dataset's rows are journaled.
select lakeward.ensure_partitions();
select lakeward.renew_journals();
-- Tables from before there were tombstones refuse a tombstoned row, too.
do $$
declare
  item record;
begin
  for item in
    select d.id, d.name from lakeward.dataset d
    join pg_class c on c.relname = d.name and c.relnamespace = 'lake'::regnamespace and c.relkind = 'r'
    where not exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'refuse_tombstoned')
  loop
    execute format(
      'create trigger refuse_tombstoned after insert on lake.%I referencing new table as new_rows '
      'for each statement execute function lakeward.refuse_tombstoned(%L)', item.name, item.id
    );
  end loop;
end $$;
