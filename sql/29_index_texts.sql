-- Equal texts of an index are found by their hash, so that a refresh embeds a text once. The hash goes with the chunk.
create or replace function lakeward.index_texts(table_name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format(
    'create index %I on vec.%I (hashtextextended(content, 0))', table_name || '_text_hash', table_name || '_text'
  );
  -- what a deleted text hashed to would stay in the statistics until the next ANALYZE
  execute format('alter index vec.%I alter column 1 set statistics 0', table_name || '_text_hash');
end $$;
