-- Takes the payload of every entry about these entities of a dataset: entity, old, new and salt become null, so that what
-- was there can neither be read nor guessed; kind, field, actor and time stay, and so does the seal's hash of the payload.
-- An entity is followed back through changes of its row key, up to the change: what came before a key was taken over by
-- another row is not that row's. The keys go from the hits of the audit too, for the dataset and the views of it.
-- One entry of kind 'journal_erased' (for each 10,000) names the entries by id; without it verify calls them tampered with.
-- For the owner, inside an erasure. Idempotent: what is blank is not counted again.
create or replace function lakeward.erase_journal(
  dataset text, entities text[], out entries bigint, out audit_entries bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  erased bigint[];
  names text[];
begin
  with recursive subject as (
    select e.key, 9223372036854775807 as until from unnest(entities) e (key)
    union
    select j.entity, j.id
    from subject s
    join lakeward.journal j on j.dataset = erase_journal.dataset and j.kind = 'rekey' and j.new #>> '{}' = s.key
      and j.id <= s.until
  )
  select array_agg(distinct j.id order by j.id) into erased
  from subject s
  join lakeward.journal j on j.dataset = erase_journal.dataset and j.entity = s.key and j.id <= s.until
  where j.salt is not null;
  entries := coalesce(cardinality(erased), 0);
  select array_agg(r.name) into names
  from lakeward.relation r
  left join lakeward.safe_view_base b on b.view_id = r.id
  left join lakeward.dataset d on d.id = b.base_id
  where r.name = erase_journal.dataset or d.name = erase_journal.dataset;

  perform set_config('lakeward.erasing', 'on', true);
  update lakeward.journal j set entity = null, old = null, new = null, salt = null where j.id = any(erased);
  update lakeward.audit_entry a
  set hits = array(select h.hit from unnest(a.hits) with ordinality h (hit, place) where h.hit <> all(entities) order by h.place)
  where a.hits && entities and a.relations && (names || erase_journal.dataset);
  get diagnostics audit_entries = row_count;
  perform set_config('lakeward.erasing', '', true);
  perform lakeward.append_journal('journal_erased', erase_journal.dataset, null, null, null, jsonb_build_object('ids', c.ids))
  from (
    select jsonb_agg(i.id order by i.id) as ids from unnest(erased) with ordinality i (id, place)
    group by (i.place - 1) / 10000
  ) c;
end $$;
