-- After an upgrade every view that shows rows is made again, when what makes them has changed, or when one was never made.
do $$
declare
  made_by text;
  item record;
  reader record;
begin
  select md5(string_agg(pg_get_functiondef(p.oid), '' order by p.proname)) into made_by
  from pg_proc p
  where p.pronamespace = 'lakeward'::regnamespace and p.proname in (
    'filter_sql', 'filter_literal', 'find_base', 'index_source_sql', 'install_index_reader', 'install_reader_view',
    'install_row_policy', 'install_safe_view', 'install_text_policy', 'plan_columns', 'projection_sql', 'redacted_type', 'redaction_sql'
  );
  if not exists (select from lakeward.deployment d where d.views_made_by is distinct from made_by) then
    return;
  end if;
  update lakeward.binding set made_of = null;
  -- indexes from before there were views
  for item in
    select i.id, i.table_name, base.table_name as base_table
    from lakeward.vector_index i
    cross join lateral lakeward.find_base(i.relation_id) base
    where to_regclass(format('vec.%I', i.table_name || '_source')) is null
  loop
    execute format(
      'create view vec.%I as %s', item.table_name || '_source',
      lakeward.index_source_sql(item.id, format('lake.%I', item.base_table))
    );
    execute format('grant select on vec.%I to %I', item.table_name, lakeward.role_of('gate'));
    for reader in
      select b.role_name from lakeward.binding b join lakeward.vector_index i on i.relation_id = b.relation_id
      where i.id = item.id
    loop
      execute format('revoke select on vec.%I from %I', item.table_name, reader.role_name);
    end loop;
  end loop;
  for item in select i.id from lakeward.vector_index i order by i.id loop
    perform lakeward.install_words(item.id);
    perform lakeward.install_text_policy(item.id);
  end loop;
  for item in select d.id, to_regclass(format('lake.%I', d.name)) as table_oid from lakeward.dataset d order by d.id loop
    if item.table_oid is not null then
      perform lakeward.install_row_policy(item.id);
    end if;
    perform lakeward.install_readers(item.id);
  end loop;
  update lakeward.deployment set views_made_by = made_by;
end $$;
