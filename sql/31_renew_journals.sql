-- Makes the journal's trigger functions again that were made for another month, or by an earlier version; answers how many.
create or replace function lakeward.renew_journals() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  made_by text := lakeward.journal_made_by();
  stale bigint;
  made integer := 0;
begin
  for stale in
    select d.id from lakeward.dataset d
    where to_regclass(format('lake.%I', d.name)) is not null
      and obj_description(to_regproc(format('record.%I', 'journal_rows_' || d.id)), 'pg_proc')
        is distinct from made_by
    order by d.id
  loop
    perform lakeward.install_journal(stale);
    made := made + 1;
  end loop;
  return made;
end $$;
