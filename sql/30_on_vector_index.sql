-- An index is a row; its tables, its triggers on the dataset and its readers' rights follow it.
-- vec.<index> is narrow (vectors inline), vec.<index>_text holds what a hit shows, vec.<index>_pending the row keys
-- that have no current chunks: what indexing still has to do, and what `stale_rows` counts; one with a `reason` was set
-- aside, because the model refuses its text. vec.<index>_source is the
-- owner's view of what there is to embed: the texts as the index's relation shows them, by raw row key.
create or replace function lakeward.on_vector_index() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  base record;
  key_type text;
  ext text;
  reader record;
  steward text := lakeward.role_of('steward');
  item lakeward.vector_index := coalesce(new, old);
  before text := current_setting('lock_timeout');
  give_up_at timestamptz := clock_timestamp() + interval '30 seconds';
begin
  select b.* into base from lakeward.find_base(item.relation_id) b;
  if tg_op = 'DELETE' then
    -- Searches take these tables before the dataset's, writers after it: so the dataset's is left alone here, and its
    -- triggers are dropped when nobody is there (sql/30_drop_idle_triggers.sql). Writers end first, and the next ones wait.
    perform pg_advisory_xact_lock(hashtextextended('lakeward.indexes', to_regclass(format('lake.%I', base.table_name))::oid::bigint));
    perform lakeward.end_readers(to_regclass(r.name)) from unnest(array[
      format('vec.%I', item.table_name), format('vec.%I', item.table_name || '_pending'),
      format('vec.%I', item.table_name || '_text')
    ]) r (name);
    -- Searches take these tables and the views of hits in an order that is their plan's, so each could wait for the other:
    -- who deletes waits for no lock longer than they notice, gives back all it has, and tries again.
    loop
      begin
        perform set_config('lock_timeout', '50ms', true);
        execute format(
          'lock table vec.%I, vec.%I, vec.%I in access exclusive mode',
          item.table_name, item.table_name || '_pending', item.table_name || '_text'
        );
        -- with the views of its hits
        execute format(
          'drop table vec.%I, vec.%I, vec.%I cascade', item.table_name || '_text', item.table_name || '_pending', item.table_name
        );
        execute format('drop view if exists vec.%I', item.table_name || '_source');
        exit;
      exception when lock_not_available then
        if clock_timestamp() > give_up_at then
          raise;
        end if;
        perform pg_sleep(0.01);
      end;
    end loop;
    perform set_config('lock_timeout', before, true);
    return null;
  end if;
  select d.ext_schema into strict ext from lakeward.deployment d;
  select format_type(a.atttypid, a.atttypmod) into strict key_type
  from pg_attribute a
  where a.attrelid = format('lake.%I', base.table_name)::regclass and a.attname = item.row_key;
  execute format(
    'create table vec.%I (chunk_id bigint generated always as identity primary key, row_key %s not null, '
    'chunk_no integer not null, embedding %I.halfvec(%s) not null)',
    item.table_name, key_type, ext, item.dimensions
  );
  -- MAIN keeps vectors inline: a TOAST fetch per row makes an exact scan four times slower (pgvector#240)
  execute format('alter table vec.%I alter column embedding set storage main', item.table_name);
  -- readers see the statistics of what they may read, and there a deleted vector would stay until the next ANALYZE
  execute format('alter table vec.%I alter column embedding set statistics 0', item.table_name);
  execute format('create index on vec.%I (row_key)', item.table_name);
  execute format(
    -- uncompressed: a byte scan must be able to find what erasure has to remove
    'create table vec.%I (chunk_id bigint primary key, content text storage external not null, '
    'start_at integer not null, end_at integer not null)', item.table_name || '_text'
  );
  perform lakeward.install_words(item.id);
  perform lakeward.install_text_policy(item.id);
  execute format(
    'create table vec.%I (row_key %s primary key, seq bigint generated always as identity, '
    'since timestamptz not null default now(), reason text)', item.table_name || '_pending', key_type
  );
  perform lakeward.index_texts(item.table_name);
  execute format(
    'create view vec.%I as %s', item.table_name || '_source',
    lakeward.index_source_sql(item.id, format('lake.%I', base.table_name))
  );
  execute format('grant select on vec.%I, vec.%I to %I', item.table_name, item.table_name || '_text', steward);
  execute format('grant select (seq, since, reason) on vec.%I to %I', item.table_name || '_pending', steward);
  -- for the views of hits, which are the gate's
  execute format('grant select on vec.%I to %I', item.table_name, lakeward.role_of('gate'));
  for reader in select b.id from lakeward.binding b where b.relation_id = item.relation_id loop
    perform lakeward.install_index_reader(item.id, reader.id);
  end loop;
  execute format(
    'create trigger %I after insert on lake.%I referencing new table as new_rows '
    'for each statement execute function lakeward.track_rows(%L)', 'track_insert_' || item.id, base.table_name, item.id
  );
  execute format(
    'create trigger %I after update on lake.%I referencing old table as old_rows new table as new_rows '
    'for each statement execute function lakeward.track_rows(%L)', 'track_update_' || item.id, base.table_name, item.id
  );
  execute format(
    'create trigger %I after delete on lake.%I referencing old table as old_rows '
    'for each statement execute function lakeward.track_rows(%L)', 'track_delete_' || item.id, base.table_name, item.id
  );
  execute format(
    'insert into vec.%I (row_key) select row_key from vec.%I', item.table_name || '_pending', item.table_name || '_source'
  );
  return null;
end $$;
