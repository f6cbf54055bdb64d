-- How many rows of an index have no current chunks: those that wait, those that were set aside (the steward's to know; null
-- for a reader), and since when the oldest of them is there. With the caller's own rights.
create or replace function lakeward.pending_rows(table_name text, out waiting bigint, out rejected bigint, out since timestamptz)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  rows text := format('vec.%I', table_name || '_pending');
begin
  if to_regclass(rows) is null then
    return;
  end if;
  if exists (select from lakeward.deployment) then
    execute format(
      'select count(*) filter (where p.reason is null), count(*) filter (where p.reason is not null), min(p.since) from %s p', rows
    ) into waiting, rejected, since;
  else
    execute format('select count(p.seq), null::bigint, min(p.since) from %s p', rows) into waiting, rejected, since;
  end if;
end $$;
