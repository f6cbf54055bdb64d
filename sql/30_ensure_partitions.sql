-- The partitions of journal and audit, one a month: this month's and the next two, and a default one as a net.
-- Readers go through the parents alone; a partition has row security and no policy, so that a stray GRANT leaks nothing.
create or replace function lakeward.ensure_partitions(now timestamptz default clock_timestamp()) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  parent text;
  month timestamptz;
  part text;
  made integer := 0;
begin
  foreach parent in array array['journal', 'audit_entry'] loop
    for month in
      select null union all
      select date_trunc('month', now, 'UTC') + n * interval '1 month' from generate_series(0, 2) n
    loop
      part := parent || coalesce(to_char(month at time zone 'UTC', '"_"YYYY"_"MM'), '_default');
      continue when to_regclass(format('record.%I', part)) is not null;
      execute format(
        'create table record.%I partition of lakeward.%I %s', part, parent,
        case when month is null then 'default' else format(
          'for values from (%L) to (%L)', month, (month at time zone 'UTC' + interval '1 month') at time zone 'UTC'
        ) end
      );
      execute format('alter table record.%I enable row level security', part);
      execute format(
        'create trigger keep_record_whole before truncate on record.%I '
        'for each statement execute function lakeward.keep_record(%L)', part, parent
      );
      if parent = 'journal' then
        -- uncompressed: a byte scan must be able to find what erasure has to remove
        execute format('alter table record.%I alter old set storage external, alter new set storage external', part);
      end if;
      made := made + 1;
    end loop;
  end loop;
  return made;
end $$;
