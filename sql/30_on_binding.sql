-- A binding is a row; the reader's view and its right to the relation's indexes follow it.
create or replace function lakeward.on_binding() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target record;
  relation_name text;
  item record;
begin
  if tg_op = 'INSERT' then
    update lakeward.binding b set role_name = p.role_name, base_id = base.base_id
    from lakeward.profile p, lakeward.find_base(new.relation_id) base
    where b.id = new.id and p.id = new.profile_id;
    perform lakeward.install_reader_view(new.profile_id, new.relation_id);
    return null;
  end if;
  -- BEFORE DELETE: the rows that say what there is to take away are still there
  select p.schema_name, p.role_name into target from lakeward.profile p where p.id = old.profile_id;
  if found then
    select r.name into relation_name from lakeward.relation r where r.id = old.relation_id;
    if relation_name is not null then
      perform lakeward.end_readers(to_regclass(format('%I.%I', target.schema_name, relation_name)));
      execute format('drop view if exists %I.%I', target.schema_name, relation_name);
    end if;
    for item in select x.index_id from lakeward.index_reader x where x.binding_id = old.id loop
      perform lakeward.remove_index_reader(item.index_id, old.id, target.role_name);
    end loop;
  end if;
  return old;
end $$;
