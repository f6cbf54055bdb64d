-- Creates the view through which one profile reads one relation, under the relation's own name, in the profile's schema,
-- with what the profile may search of the relation's indexes. Columns are listed one by one: a column that is added
-- later is not in the view until it is made again.
create or replace function lakeward.install_reader_view(reader text, relation bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target record;
  columns text;
  in_bucket boolean;
  home regclass;
  shown regclass;
  now_made_of text;
  item record;
begin
  select b.id as binding_id, b.made_of, p.schema_name, p.role_name, r.name, a.clearance, a.default_action, a.keep_prefix, a.keep_suffix,
    base.base_id, base.table_name, base.condition
  into strict target
  from lakeward.binding b
  join lakeward.profile p on p.id = b.profile_id
  join lakeward.access_role a on a.name = p.access_role
  join lakeward.relation r on r.id = b.relation_id
  cross join lateral lakeward.find_base(b.relation_id) base
  where b.profile_id = reader and b.relation_id = relation;
  columns := lakeward.projection_sql(relation, target.clearance, target.default_action, target.keep_prefix, target.keep_suffix);
  in_bucket := exists (select from lakeward.bucket_dataset b where b.dataset_id = target.base_id);
  home := to_regclass(format('lake.%I', target.table_name));
  shown := to_regclass(format('%I.%I', target.schema_name, target.name));
  delete from lakeward.shown_column where binding_id = target.binding_id;
  if home is null and not in_bucket or columns is null then
    -- registered, but no file has been loaded yet; or nothing of it is classified, and then nothing of it can be searched
    perform lakeward.end_readers(shown);
    execute format('drop view if exists %I.%I', target.schema_name, target.name);
    for item in select x.index_id from lakeward.index_reader x where x.binding_id = target.binding_id loop
      perform lakeward.remove_index_reader(item.index_id, target.binding_id, target.role_name);
    end loop;
    update lakeward.binding set made_of = null where id = target.binding_id;
    return;
  end if;
  insert into lakeward.shown_column (
    binding_id, position, role_name, profile_id, relation_id, base_id, name, type, action, reason
  )
  select target.binding_id, c.ordinal, target.role_name, reader, relation, target.base_id, c.name, c.type, c.action, c.reason
  from lakeward.plan_columns(
    relation, target.clearance, target.default_action, target.keep_prefix, target.keep_suffix
  ) c
  where c.shown;
  if in_bucket then
    -- rows in files: the analytic engine makes the view for each query (lakeward.bucket_sources)
    return;
  end if;
  -- each view that is made anew takes eight locks, and a clearance may have thousands of readers
  -- its reader sees the digest, and without the secret could try out what the row filter says
  now_made_of := md5(concat_ws(' ', home::oid, columns, target.condition, (select s.hmac_outer from lakeward.secret s)));
  if now_made_of = target.made_of and shown is not null then
    return;
  end if;
  perform lakeward.end_readers(shown);
  execute format('drop view if exists %I.%I', target.schema_name, target.name);
  execute format(
    'create view %I.%I with (security_barrier) as select %s from lake.%I d where %s',
    target.schema_name, target.name, columns, target.table_name, target.condition
  );
  -- while it is still the owner's; the right goes along to the gate
  execute format('grant select on %I.%I to %I', target.schema_name, target.name, target.role_name);
  execute format('alter view %I.%I owner to %I', target.schema_name, target.name, lakeward.role_of('gate'));
  for item in select i.id from lakeward.vector_index i where i.relation_id = relation loop
    perform lakeward.install_index_reader(item.id, target.binding_id);
  end loop;
  update lakeward.binding set made_of = now_made_of where id = target.binding_id;
end $$;
