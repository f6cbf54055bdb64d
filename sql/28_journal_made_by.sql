-- What the journal's trigger functions are made by now, and for which month: those that say otherwise are made again.
create or replace function lakeward.journal_made_by() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(pg_get_functiondef(p.oid), '' order by p.proname))
    || to_char(clock_timestamp() at time zone 'UTC', '" "YYYY_MM')
  from pg_proc p
  where p.pronamespace = 'lakeward'::regnamespace and p.proname in ('install_journal', 'journal_rows_sql')
$$;
