-- How many rows a reader sees of a relation before and after a change, and how many of them are others. Null stands for a
-- relation that is not seen at all; a view that moves to another dataset shows other rows throughout.
-- It counts with the caller's rights, which are the steward's.
create or replace function lakeward.count_seen(
  relation_before bigint, relation_after bigint,
  out before bigint, out after bigint, out newly_seen bigint, out no_longer_seen bigint
)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  b record;
  a record;
begin
  select x.table_name, x.condition into b from lakeward.find_base(relation_before) x
  where to_regclass(format('lake.%I', x.table_name)) is not null;
  select x.table_name, x.condition into a from lakeward.find_base(relation_after) x
  where to_regclass(format('lake.%I', x.table_name)) is not null;
  before := 0;
  after := 0;
  if a.table_name = b.table_name and a.condition <> b.condition then
    execute format(
      'select count(*) filter (where b), count(*) filter (where a), count(*) filter (where a and b is not true), '
      'count(*) filter (where b and a is not true) from (select (%s) as b, (%s) as a from lake.%I d) x',
      b.condition, a.condition, a.table_name
    ) into before, after, newly_seen, no_longer_seen;
    return;
  end if;
  if b.table_name is not null then
    execute format('select count(*) from lake.%I d where %s', b.table_name, b.condition) into before;
  end if;
  if a.table_name = b.table_name then
    after := before;
    newly_seen := 0;
    no_longer_seen := 0;
    return;
  elsif a.table_name is not null then
    execute format('select count(*) from lake.%I d where %s', a.table_name, a.condition) into after;
  end if;
  newly_seen := after;
  no_longer_seen := before;
end $$;
