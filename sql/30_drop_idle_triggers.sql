-- Drops the triggers that deleted indexes left on their datasets, where it need not wait: DROP TRIGGER locks out readers, too, and
-- one that waits for a long read would keep all others waiting. Answers how many tables still have such triggers.
create or replace function lakeward.drop_idle_triggers() returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '50ms' as $$
declare
  item record;
  left_over integer := 0;
begin
  for item in
    select t.tgrelid::regclass as name, array_agg(t.tgname) as triggers
    from pg_trigger t
    where t.tgfoid = 'lakeward.track_rows()'::regprocedure and not exists (
      select from lakeward.vector_index i where i.id = split_part(encode(t.tgargs, 'escape'), '\000', 1)::bigint
    )
    group by t.tgrelid
  loop
    begin
      execute (
        select string_agg(format('drop trigger if exists %I on %s', t, item.name), '; ') from unnest(item.triggers) t
      );
    exception when lock_not_available or deadlock_detected or undefined_table then
      left_over := left_over + 1;
    end;
  end loop;
  return left_over;
end $$;
