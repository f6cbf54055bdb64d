-- A binding is a row; the reader's view and its right to the relation's indexes follow it.
create or replace function lakeward.on_binding() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  target record;
  relation_name text;
  index_name text;
begin
  if tg_op = 'INSERT' then
    select p.schema_name, p.role_name into strict target from lakeward.profile p where p.id = new.profile_id;
    update lakeward.binding set role_name = target.role_name
    where profile_id = new.profile_id and relation_id = new.relation_id;
    perform lakeward.install_reader_view(new.profile_id, new.relation_id);
    for index_name in select i.name from lakeward.vector_index i where i.relation_id = new.relation_id loop
      execute format('grant select on vec.%I, vec.%I to %I', index_name, index_name || '_text', target.role_name);
      execute format('grant select (seq) on vec.%I to %I', index_name || '_pending', target.role_name);
    end loop;
    return null;
  end if;
  select p.schema_name, p.role_name into target from lakeward.profile p where p.id = old.profile_id;
  if found then
    select r.name into relation_name from lakeward.relation r where r.id = old.relation_id;
    if relation_name is not null then
      execute format('drop view if exists %I.%I', target.schema_name, relation_name);
    end if;
    for index_name in select i.name from lakeward.vector_index i where i.relation_id = old.relation_id loop
      execute format('revoke all on vec.%I, vec.%I from %I', index_name, index_name || '_text', target.role_name);
      execute format('revoke all (seq) on vec.%I from %I', index_name || '_pending', target.role_name);
    end loop;
  end if;
  return null;
end $$;
