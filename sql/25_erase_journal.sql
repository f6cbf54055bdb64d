-- Takes the payload of every entry about these entities of a dataset: entity, old and new become null, and the salts in
-- their seals zero, so that what was there can neither be read nor guessed; kind, field, actor and time stay, and so does
-- the hash of the payload. An entity is followed back through changes of its row key, up to each change: what came before
-- a key was taken over by another row is not that row's. The keys go from the hits of the audit too, for the dataset and
-- the views of it. One entry of kind 'journal_erased' (for each 10,000) names the entries by id; without it verify calls
-- them tampered with. For the owner, inside an erasure; what is blank is not counted again. The old row versions, of
-- schema `record` and of lakeward.journal_seal, are the caller's to vacuum away.
create or replace function lakeward.erase_journal(
  dataset text, entities text[], out entries bigint, out audit_entries bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  erased_ids bigint[];
  erased_in xid8[];
  names text[];
begin
  -- no seal is made of what is being erased
  lock table lakeward.journal_seal in exclusive mode;
  with recursive subject as (
    select e.key collate "C" as key, 9223372036854775807 as until from unnest(entities) e (key)
    union
    select j.old #>> '{}' collate "C", j.id
    from subject s
    join lakeward.journal j on j.dataset = erase_journal.dataset and j.entity = s.key
      and j.kind = 'rekey' and j.new #>> '{}' = s.key and j.id <= s.until
  ),
  found as (
    select distinct j.id, j.transaction
    from subject s
    join lakeward.journal j on j.dataset = erase_journal.dataset and j.entity = s.key and j.id <= s.until
  )
  select array_agg(f.id order by f.id), array_agg(f.transaction order by f.id) into erased_ids, erased_in from found f;
  entries := coalesce(cardinality(erased_ids), 0);
  select array_agg(r.name) into names
  from lakeward.relation r
  left join lakeward.safe_view_base b on b.view_id = r.id
  left join lakeward.dataset d on d.id = b.base_id
  where r.name = erase_journal.dataset or d.name = erase_journal.dataset;

  perform set_config('lakeward.erasing', 'on', true);
  update lakeward.journal j set entity = null, old = null, new = null
  from unnest(erased_in, erased_ids) e (transaction, id)
  where j.transaction = e.transaction and j.id = e.id;
  with touched as (
    select distinct s.id
    from unnest(erased_in, erased_ids) e (transaction, id)
    join lakeward.journal_seal s on (e.transaction, e.id) >= (s.from_transaction, s.from_id)
      and (e.transaction, e.id) < (s.to_transaction, s.to_id)
  ),
  salted as (
    select s.id, string_agg(
      case when j.id = any(erased_ids) then decode(repeat('00', 16), 'hex') else substr(s.salts, j.place * 16 + 1, 16) end,
      '' order by j.place
    ) as salts
    from touched
    join lakeward.journal_seal s on s.id = touched.id
    cross join lateral (
      select j.id, (row_number() over (order by j.transaction, j.id) - 1)::integer as place
      from lakeward.journal j
      where (j.transaction, j.id) >= (s.from_transaction, s.from_id) and (j.transaction, j.id) < (s.to_transaction, s.to_id)
    ) j
    group by s.id
  )
  update lakeward.journal_seal s set salts = salted.salts from salted where s.id = salted.id;
  update lakeward.audit_entry a
  set hits = array(select h.hit from unnest(a.hits) with ordinality h (hit, place) where h.hit <> all(entities) order by h.place)
  where a.hits && entities and a.relations && (names || erase_journal.dataset);
  get diagnostics audit_entries = row_count;
  perform set_config('lakeward.erasing', '', true);
  perform lakeward.append_journal('journal_erased', erase_journal.dataset, null, null, null, jsonb_build_object('ids', c.ids))
  from (
    select jsonb_agg(i.id order by i.id) as ids from unnest(erased_ids) with ordinality i (id, place)
    group by (i.place - 1) / 10000
  ) c;
end $$;
