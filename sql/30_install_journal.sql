-- Journals every change of a dataset's rows, whoever makes it: one entry per changed field of an updated row, one with the
-- whole row for an inserted, deleted or truncated one; two of kind 'rekey', one under each key, when the row key changes.
-- Loads, tombstones, undo and erasure have an entry of their own and say so in lakeward.journal_rows = 'off'. That counts
-- for the owner's code alone: the app's, and definer functions that a person calls; whoever only became the owner in a
-- session of his own is journaled all the same.
-- The function's comment says what made it and for which month; lakeward.renew_journals looks there.
create or replace function lakeward.install_journal(dataset_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  made_by text := lakeward.journal_made_by();
  here text := format('record.%I', 'journal_rows_' || dataset_id);
  made_before text := obj_description(to_regproc(here), 'pg_proc');
  home text := (select format('lake.%I', d.name) from lakeward.dataset d where d.id = install_journal.dataset_id);
  written record;
  fires text;
begin
  if to_regclass(home) is null then
    return; -- registered, but no file has been loaded yet
  end if;
  select * into strict written from lakeward.journal_rows_sql(dataset_id);
  -- it has the rights of whoever writes, and no search_path of its own: to set one took a tenth of an entry's time
  execute format(
    'create or replace function %s() returns trigger language plpgsql %s as %L',
    here, written.settings, written.body
  );
  execute format('revoke all on function %s() from public', here);
  execute format('comment on function %s() is %L', here, made_by);

  -- a new month changes the function only: the table is not locked for it
  if split_part(made_before, ' ', 1) = split_part(made_by, ' ', 1) and exists (
    select from pg_trigger t where t.tgrelid = home::regclass and t.tgname = 'journal_update'
  ) then
    return;
  end if;
  foreach fires in array array[
    'journal_insert after insert on %s referencing new table as new_rows for each statement',
    'journal_update after update on %s for each row',
    'journal_delete after delete on %s referencing old table as old_rows for each statement',
    'journal_truncate before truncate on %s for each statement'
  ] loop
    execute format('create or replace trigger ' || fires || ' execute function %s()', home, here);
  end loop;
end $$;
