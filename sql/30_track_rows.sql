-- What may be seen is what exists: chunks of a row go in the transaction that deletes the row, changes its text or takes it
-- out of the index's relation, and a row that is in it waits in _pending until it is embedded again. Compared is the
-- text as the relation shows it, so an update of other columns touches nothing. The dataset is stale when one of its own
-- indexes has to embed something: what a view's index has to do is no matter of the dataset's readers.
-- The indexing job takes a row out of _pending and writes its chunks in one transaction. So _pending is asked first: that
-- waits for such a transaction, and the next statement sees what it wrote. Several are locked in the order of the row key, as
-- the job locks them, or each could wait for the other.
-- Whoever deletes an index waits for writers, and they for it, at an advisory lock of the dataset (sql/30_on_vector_index.sql):
-- the index's triggers stay behind for a while, and find nothing to do.
create or replace function lakeward.track_rows() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  item lakeward.vector_index;
  o text;
  n text;
  same text;
  waiting bigint := 0;
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('lakeward.indexes', tg_relid::bigint));
  select i.* into item from lakeward.vector_index i where i.id = tg_argv[0]::bigint;
  if not found then
    return null;
  end if;
  if tg_op <> 'INSERT' then
    execute format(
      'select from vec.%I p where p.row_key in (select o.%I from old_rows o) order by p.row_key for update',
      item.table_name || '_pending', item.row_key
    );
  end if;
  if tg_op = 'UPDATE' then
    o := lakeward.index_source_sql(item.id, 'old_rows');
    n := lakeward.index_source_sql(item.id, 'new_rows');
    select string_agg(format('n.t%1$s is not distinct from o.t%1$s', i), ' and ') into same
    from generate_subscripts(item.text_columns, 1) i;
    execute format(
      'with o as (%1$s), n as (%2$s), changed as (select o.row_key from o where not exists '
      '(select from n where n.row_key = o.row_key and %3$s)), '
      'chunk as (delete from vec.%4$I c using changed where c.row_key = changed.row_key returning c.chunk_id), '
      'body as (delete from vec.%5$I t using chunk where t.chunk_id = chunk.chunk_id) '
      'delete from vec.%6$I p using changed where p.row_key = changed.row_key',
      o, n, same, item.table_name, item.table_name || '_text', item.table_name || '_pending'
    );
    execute format(
      'with o as (%1$s), n as (%2$s) insert into vec.%4$I (row_key) select n.row_key from n where not exists '
      '(select from o where n.row_key = o.row_key and %3$s) on conflict do nothing',
      o, n, same, item.table_name || '_pending'
    );
    get diagnostics waiting = row_count;
  elsif tg_op = 'DELETE' then
    execute format('delete from vec.%I p using old_rows o where p.row_key = o.%I', item.table_name || '_pending', item.row_key);
    execute format(
      'with chunk as (delete from vec.%2$I c using old_rows o where c.row_key = o.%1$I returning c.chunk_id) '
      'delete from vec.%3$I t using chunk where t.chunk_id = chunk.chunk_id',
      item.row_key, item.table_name, item.table_name || '_text'
    );
  else
    execute format(
      'insert into vec.%I (row_key) select n.row_key from (%s) n on conflict do nothing',
      item.table_name || '_pending', lakeward.index_source_sql(item.id, 'new_rows')
    );
    get diagnostics waiting = row_count;
  end if;
  if waiting > 0 then
    -- the job calls the dataset fresh only while nobody holds this (app/vectors/indexing.py)
    perform pg_advisory_xact_lock_shared(hashtextextended('lakeward.stale', item.relation_id));
    update lakeward.dataset set embedding_stale_since = now() where id = item.relation_id and embedding_stale_since is null;
  end if;
  return null;
end $$;
