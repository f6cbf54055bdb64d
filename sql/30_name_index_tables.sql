-- An index's tables are called as the index is when it is made; those of a later version have its id as well. Names have 48
-- bytes, and a table's indexes and parts need some.
create or replace function lakeward.name_index_tables() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.table_name := coalesce(
    new.table_name,
    case when new.state = 'live' then new.name else left(split_part(new.name, '~', 1), 36) || '~' || new.id end
  );
  return new;
end $$;
