-- The safe view itself, lake.<view>: what the steward reads, and what every reader that is bound to it reads, too.
create or replace function lakeward.install_safe_view(view_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  view_name text;
  base record;
begin
  select v.name into strict view_name from lakeward.safe_view v where v.id = install_safe_view.view_id;
  select b.* into strict base from lakeward.find_base(install_safe_view.view_id) b;
  execute format('drop view if exists lake.%I', view_name);
  if to_regclass(format('lake.%I', base.table_name)) is null then
    return;
  end if;
  execute format(
    'create view lake.%I with (security_barrier) as select %s from lake.%I d where %s', view_name,
    lakeward.projection_sql(install_safe_view.view_id, 'restricted', 'null', null, null), base.table_name, base.condition
  );
  execute format('grant select on lake.%I to %I', view_name, lakeward.role_of('steward'));
  execute format('alter view lake.%I owner to %I', view_name, lakeward.role_of('gate'));
end $$;
