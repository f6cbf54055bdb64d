-- The life of one row, oldest first, as the caller may see it (lakeward.journal_entry): where it came from, each change, and
-- what became of it. A row that was given another key is followed back to the time before. Who sees the whole journal also
-- gets what concerned the dataset as a whole: its loads, and its erasures when the row has no entry left.
create or replace function lakeward.history(dataset text, entity text) returns setof lakeward.journal_entry
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive life (key, until) as (
    select history.entity collate "C", 9223372036854775807
    union
    select e.old #>> '{}' collate "C", e.id
    from life l
    join lakeward.journal_entry e on e.dataset = history.dataset and e.entity = l.key and e.kind = 'rekey'
      and e.new #>> '{}' = l.key and e.id <= l.until
  ),
  own as materialized (
    select e.* from life l
    join lakeward.journal_entry e on e.dataset = history.dataset and e.entity = l.key and e.id <= l.until
  )
  select * from (
    select o.* from own o
    union all
    select e.* from lakeward.journal_entry e
    where e.dataset = history.dataset and e.entity is null
      and (e.kind = 'load' or e.kind = 'erasure' and not exists (select from own))
  ) h
  order by h.id
$$;
