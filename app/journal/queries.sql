-- lock_seals --
-- One seals at a time, and nothing is erased meanwhile (lakeward.erase_journal takes the same lock).
lock table lakeward.journal_seal in exclusive mode;

-- hold_seals --
-- Nothing is sealed or erased while a seal is checked against its entries.
lock table lakeward.journal_seal in share mode;

-- horizon --
-- Every transaction before this one is over: no entry can come to be before it any more.
select pg_snapshot_xmin(pg_current_snapshot())::text;

-- last_seal --
select s.id, s.from_transaction::text::bigint, s.from_id, s.to_transaction::text::bigint, s.to_id, s.entries,
  ''::bytea as salts, ''::bytea as payloads, ''::bytea as marks, s.key_id, s.digest,
  (extract(epoch from s.sealed_at) * 1000000)::bigint as sealed_at_us
from lakeward.journal_seal s order by s.id desc limit 1;

-- next_seal --
-- The first one with this id or a later one.
select s.id, s.from_transaction::text::bigint, s.from_id, s.to_transaction::text::bigint, s.to_id, s.entries,
  s.salts, s.payloads, s.marks, s.key_id, s.digest,
  (extract(epoch from s.sealed_at) * 1000000)::bigint as sealed_at_us
from lakeward.journal_seal s where s.id >= %(id)s order by s.id limit 1;

-- settled_entries --
select j.id, (extract(epoch from j.at) * 1000000)::bigint as at_us, j.transaction::text::bigint as transaction, j.kind,
  j.dataset, j.field, j.actor, j.profile, j.model, j.source, j.workspace, j.request_id, j.entity, j.old::text, j.new::text
from lakeward.journal j
where (j.transaction, j.id) >= (%(transaction)s::text::xid8, %(id)s) and j.transaction < %(horizon)s::text::xid8
order by j.transaction, j.id
limit %(limit)s;

-- sealed_entries --
select j.id, (extract(epoch from j.at) * 1000000)::bigint as at_us, j.transaction::text::bigint as transaction, j.kind,
  j.dataset, j.field, j.actor, j.profile, j.model, j.source, j.workspace, j.request_id, j.entity, j.old::text, j.new::text
from lakeward.journal j
where (j.transaction, j.id) >= (%(from_transaction)s::text::xid8, %(from_id)s)
  and (j.transaction, j.id) < (%(to_transaction)s::text::xid8, %(to_id)s)
order by j.transaction, j.id;

-- create_seal --
insert into lakeward.journal_seal (
  id, from_transaction, from_id, to_transaction, to_id, entries, salts, payloads, marks, key_id, digest, sealed_at
)
values (
  %(id)s, %(from_transaction)s::text::xid8, %(from_id)s, %(to_transaction)s::text::xid8, %(to_id)s, %(entries)s, %(salts)s,
  %(payloads)s, %(marks)s, %(key_id)s, %(digest)s, to_timestamp(0) + %(sealed_at_us)s * interval '1 microsecond'
);

-- count_unsealed --
select count(*) from lakeward.journal j
where (j.transaction, j.id) >= (
  coalesce((select s.to_transaction from lakeward.journal_seal s order by s.id desc limit 1), '0'),
  coalesce((select s.to_id from lakeward.journal_seal s order by s.id desc limit 1), 0)
);

-- erased_entries --
-- Which entries the journal itself calls erased.
select jsonb_array_elements_text(j.new -> 'ids')::bigint from lakeward.journal j where j.kind = 'journal_erased';

-- renew_partitions --
select lakeward.ensure_partitions() + lakeward.renew_journals();

-- has_dataset --
select exists (select from lakeward.dataset d where d.name = %(dataset)s);

-- append --
select lakeward.append_journal(%(kind)s, %(dataset)s, %(entity)s, %(field)s, %(old)s, %(new)s);

-- own_entry --
-- The last one of this transaction.
select e.id, e.at, e.kind, e.dataset, e.entity, e.field, e.old, e.new, e.actor, e.profile, e.model, e.source, e.workspace,
  e.request_id
from lakeward.journal_entry e
where e.transaction = pg_current_xact_id()
order by e.id desc limit 1;

-- record_call --
select lakeward.append_audit(
  %(door)s, %(operation)s, %(relations)s, %(sha256)s, %(rows)s, null, %(duration_ms)s, %(outcome)s
) as done;

-- history --
-- On record by the statement that reads: without its audit entry there is no answer. A page without entries is a row of
-- nulls.
with page as materialized (
  select e.id, e.at, e.kind, e.dataset, e.entity, e.field, e.old, e.new, e.actor, e.profile, e.model, e.source,
    e.workspace, e.request_id
  from lakeward.history(%(dataset)s, %(entity)s) e
  where e.id > %(after)s
  order by e.id
  limit %(limit)s
),
recorded as materialized (
  select lakeward.append_audit(
    'rest', 'journal history', array[%(dataset)s], %(sha256)s, least(count(*), %(limit)s - 1),
    array_agg(distinct page.entity) filter (where page.entity is not null),
    extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok'
  ) as done
  from page
)
select page.* from recorded left join page on recorded.done order by page.id;

-- recent --
-- Newest first, keyset by (transaction, id); on record as `history` is.
with page as materialized (
  select e.id, e.at, e.kind, e.dataset, e.entity, e.field, e.old, e.new, e.actor, e.profile, e.model, e.source,
    e.workspace, e.request_id,
    e.transaction::text::bigint as transaction
  from lakeward.recent_entries(
    %(dataset)s, %(kind)s, %(before_transaction)s::text::xid8, %(before_id)s::bigint, %(limit)s
  ) e
),
recorded as materialized (
  select lakeward.append_audit(
    'rest', 'journal recent', array(select distinct p.dataset from page p where p.dataset is not null), %(sha256)s,
    least(count(*), %(limit)s - 1),
    array_agg(distinct page.entity) filter (where page.entity is not null),
    extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok'
  ) as done
  from page
)
select page.* from recorded left join page on recorded.done order by page.transaction desc, page.id desc;

-- count_kinds --
select j.kind, count(*) as entries, max(j.at) as newest from lakeward.journal j group by j.kind order by entries desc, j.kind;

-- count_datasets --
select j.dataset, count(*) as entries from lakeward.journal j group by j.dataset order by entries desc, j.dataset limit 100;

-- totals --
select
  (select min(j.at) from lakeward.journal j) as oldest,
  (select count(*) from lakeward.journal_seal) as seals,
  (select max(s.sealed_at) from lakeward.journal_seal s) as sealed_at,
  (
    select count(*) from lakeward.journal j
    where (j.transaction, j.id) >= (
      coalesce((select s.to_transaction from lakeward.journal_seal s order by s.id desc limit 1), '0'),
      coalesce((select s.to_id from lakeward.journal_seal s order by s.id desc limit 1), 0)
    )
  ) as unsealed,
  (select count(*) from lakeward.audit_entry) as audit_entries;

-- list_audit --
-- Newest first, keyset by (at, id).
select a.id, a.at, a.principal, a.login, a.profile, a.model, a.door, a.operation, a.relations, a.arguments_sha256, a.rows,
  a.hits, a.duration_ms, a.outcome, a.request_id
from lakeward.audit_entry a
where (%(profile)s::text is null or a.profile = %(profile)s)
  and (%(door)s::text is null or a.door = %(door)s)
  and (%(outcome)s::text is null or a.outcome = %(outcome)s)
  and (%(before_at)s::timestamptz is null or (a.at, a.id) < (%(before_at)s::timestamptz, %(before_id)s::bigint))
order by a.at desc, a.id desc
limit %(limit)s;
