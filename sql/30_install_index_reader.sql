-- What a reader needs to search an index, when its relation shows the indexed texts as they were embedded: the chunks
-- without their row keys, the texts, and vec.hits_<index>_<binding>, the gate's view that knows a chunk's row as this reader's
-- own relation shows it. When the clearance redacts one of the texts, the index is not there for this reader.
create or replace function lakeward.install_index_reader(index_id bigint, binding_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target record;
  hits text := format('hits_%s_%s', index_id, binding_id);
begin
  select i.table_name as chunks, i.text_columns, p.role_name, a.clearance, a.default_action, a.keep_prefix, a.keep_suffix,
    b.relation_id, base.table_name, base.row_key, base.condition
  into strict target
  from lakeward.vector_index i
  join lakeward.binding b on b.id = install_index_reader.binding_id and b.relation_id = i.relation_id
  join lakeward.profile p on p.id = b.profile_id
  join lakeward.access_role a on a.name = p.access_role
  cross join lateral lakeward.find_base(i.relation_id) base
  where i.id = install_index_reader.index_id;
  perform lakeward.remove_index_reader(index_id, binding_id, target.role_name);
  if exists (
    select from unnest(target.text_columns) t
    left join lakeward.shown_column s on s.binding_id = install_index_reader.binding_id and s.name = t
    -- a view's own redaction is in the embedded text already; a clearance's is not
    where s.name is null
      or (s.action is not null and not exists (select from lakeward.safe_view v where v.id = target.relation_id))
  ) then
    return;
  end if;
  execute format(
    'create view vec.%1$I with (security_barrier) as '
    'select c.chunk_id, c.chunk_no, c.embedding, hit.* from vec.%2$I c cross join lateral ('
    'select %3$s as doc_key, to_jsonb(s.*) - %4$L::text[] as metadata, %9$s '
    'from (select %5$s from lake.%6$I d where d.%7$I = c.row_key and (%8$s)) s) hit',
    hits, target.chunks,
    coalesce((
      select format('s.%I::text', x.name) from lakeward.shown_column x
      where x.binding_id = install_index_reader.binding_id and x.name = target.row_key
    ), 'null::text'),
    target.text_columns,
    lakeward.projection_sql(
      target.relation_id, target.clearance, target.default_action, target.keep_prefix, target.keep_suffix
    ),
    target.table_name, target.row_key, target.condition,
    -- what a search's filter may ask for, by a name that no other column can have
    (
      select string_agg(format('s.%I as %I', x.name, 'f' || x.position), ', ' order by x.position)
      from lakeward.shown_column x where x.binding_id = install_index_reader.binding_id
    )
  );
  execute format('grant select on vec.%I to %I', hits, target.role_name);
  execute format('alter view vec.%I owner to %I', hits, lakeward.role_of('gate'));
  execute format('grant select on vec.%I to %I', target.chunks || '_text', target.role_name);
  execute format('grant select (chunk_id, chunk_no, embedding) on vec.%I to %I', target.chunks, target.role_name);
  -- enough for count(*) and since when, and no row key can be read
  execute format('grant select (seq, since) on vec.%I to %I', target.chunks || '_pending', target.role_name);
  insert into lakeward.index_reader (index_id, binding_id, role_name)
  values (install_index_reader.index_id, install_index_reader.binding_id, target.role_name);
end $$;
