-- What full-text search reads of an index: the words of each chunk, and a GIN index over them. English stems; words of other
-- languages are found as they are written. No statistics: there a deleted word would stay until the next ANALYZE.
create or replace function lakeward.install_words(index_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  texts text := (select i.table_name || '_text' from lakeward.vector_index i where i.id = install_words.index_id);
begin
  if exists (
    select from pg_attribute a where a.attrelid = format('vec.%I', texts)::regclass and a.attname = 'words' and not a.attisdropped
  ) then
    return;
  end if;
  execute format(
    'alter table vec.%I add column words tsvector generated always as (to_tsvector(''pg_catalog.english''::regconfig, content)) stored',
    texts
  );
  execute format('alter table vec.%I alter column words set statistics 0', texts);
  execute format('create index on vec.%I using gin (words)', texts);
end $$;
