-- What may be seen is what exists: chunks of a row go in the transaction that deletes the row or changes its text,
-- and the row waits in _pending until it is embedded again. An update of other columns touches nothing.
create or replace function lakeward.track_rows() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item lakeward.vector_index;
  same_text text;
begin
  select i.* into strict item from lakeward.vector_index i where i.id = tg_argv[0]::bigint;
  if tg_op = 'UPDATE' then
    select string_agg(format('n.%I is not distinct from o.%I', c, c), ' and ') into same_text
    from unnest(item.text_columns) c;
    execute format(
      'with changed as (select o.%1$I as row_key from old_rows o where not exists '
      '(select from new_rows n where n.%1$I = o.%1$I and %2$s)), '
      'chunk as (delete from vec.%3$I c using changed where c.row_key = changed.row_key returning c.chunk_id), '
      'body as (delete from vec.%4$I t using chunk where t.chunk_id = chunk.chunk_id) '
      'delete from vec.%5$I p using changed where p.row_key = changed.row_key',
      item.row_key, same_text, item.name, item.name || '_text', item.name || '_pending'
    );
    execute format(
      'insert into vec.%3$I (row_key) select n.%1$I from new_rows n where not exists '
      '(select from old_rows o where n.%1$I = o.%1$I and %2$s) on conflict do nothing',
      item.row_key, same_text, item.name || '_pending'
    );
  elsif tg_op = 'DELETE' then
    execute format(
      'with chunk as (delete from vec.%2$I c using old_rows o where c.row_key = o.%1$I returning c.chunk_id), '
      'body as (delete from vec.%3$I t using chunk where t.chunk_id = chunk.chunk_id) '
      'delete from vec.%4$I p using old_rows o where p.row_key = o.%1$I',
      item.row_key, item.name, item.name || '_text', item.name || '_pending'
    );
  else
    execute format(
      'insert into vec.%2$I (row_key) select %1$I from new_rows on conflict do nothing',
      item.row_key, item.name || '_pending'
    );
  end if;
  update lakeward.dataset set embedding_stale_since = coalesce(embedding_stale_since, now())
  where id = item.relation_id and embedding_stale_since is null;
  return null;
end $$;
