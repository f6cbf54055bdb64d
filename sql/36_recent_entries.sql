-- The newest entries that the caller may see (lakeward.journal_entry), newest transaction first: `wanted` of them at most,
-- from before a place in that order when one is given. It looks back over ever more transactions until it has found them,
-- because a view that keeps its conditions to itself cannot be read from its end.
create or replace function lakeward.recent_entries(
  dataset text, kind text, before_transaction xid8, before_id bigint, wanted integer
) returns setof lakeward.journal_entry
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  until bigint := coalesce(before_transaction, pg_snapshot_xmax(pg_current_snapshot()))::text::bigint + 1;
  since bigint;
  width bigint := 256;
  found_here bigint;
begin
  while until > 0 and wanted > 0 loop
    since := greatest(until - width, 0);
    return query
    select e.* from lakeward.journal_entry e
    where e.transaction >= since::text::xid8 and e.transaction < until::text::xid8
      and (recent_entries.before_id is null
        or (e.transaction, e.id) < (recent_entries.before_transaction, recent_entries.before_id))
      and (recent_entries.dataset is null or e.dataset = recent_entries.dataset)
      and (recent_entries.kind is null or e.kind = recent_entries.kind)
    order by e.transaction desc, e.id desc
    limit wanted;
    get diagnostics found_here = row_count;
    wanted := wanted - found_here;
    until := since;
    width := width * 4;
  end loop;
end $$;
