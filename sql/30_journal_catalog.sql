-- Journals what an admin changes: an entry of kind 'create' or 'delete' with the whole row, one of kind 'update' for each
-- changed field. Arguments: what it is ('profile'), then the columns that are left out: counters, what follows from other
-- columns, and secrets. The entity is 'profile:<id>', 'view:<name>', 'binding:<profile>/<relation>' …; the dataset is null.
create or replace function lakeward.journal_catalog() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  what text := tg_argv[0];
  unsaid text[] := tg_argv[1:];
  was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) - unsaid end;
  is_now jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) - unsaid end;
  item jsonb := coalesce(to_jsonb(new), to_jsonb(old));
  name text;
begin
  -- of what is part of something else: the row that names it may be gone already, and then the whole says so
  name := case tg_table_name
    when 'binding' then item ->> 'profile_id' || '/' || (
      select r.name from lakeward.relation r where r.id = (item ->> 'relation_id')::bigint
    )
    when 'safe_view_base' then (select v.name from lakeward.safe_view v where v.id = (item ->> 'view_id')::bigint)
    when 'dataset_column' then (
      select d.name || '.' || (item ->> 'name') from lakeward.dataset d where d.id = (item ->> 'dataset_id')::bigint
    )
    when 'profile' then item ->> 'id'
    when 'api_key' then item ->> 'id'
    else item ->> 'name'
  end;
  if tg_table_name = 'safe_view_base' then
    is_now := is_now || jsonb_build_object(
      'base_dataset', (select d.name from lakeward.dataset d where d.id = (item ->> 'base_id')::bigint)
    );
  end if;
  if name is null then
    return null;
  elsif tg_op = 'UPDATE' then
    perform lakeward.append_journal('update', null, what || ':' || name, o.key, nullif(o.value, 'null'), nullif(n.value, 'null'))
    from jsonb_each(was) o join jsonb_each(is_now) n on n.key = o.key
    where o.value is distinct from n.value
    order by o.key;
  else
    perform lakeward.append_journal(
      case tg_op when 'INSERT' then 'create' else 'delete' end, null, what || ':' || name, null, was, is_now
    );
  end if;
  return null;
end $$;
