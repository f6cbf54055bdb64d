-- What erasures ask of Postgres. As the owner, except where it says steward.

-- dataset --
-- Steward. A dataset with its row key's type as its table has it.
select d.id, d.name, d.row_key, format_type(a.atttypid, a.atttypmod) as key_type,
  exists (select from lakeward.bucket_dataset b where b.dataset_id = d.id) as in_bucket
from lakeward.dataset d
left join pg_attribute a on a.attrelid = to_regclass('lake.' || quote_ident(d.name)) and a.attname = d.row_key
where d.name = %(name)s;

-- create_erasure --
-- Steward.
insert into lakeward.erasure (dataset, dataset_id, row_key_values, key_hashes, keys, reason, dry_run, created_by)
values (
  %(dataset)s, %(dataset_id)s, %(keys)s, %(hashes)s::bytea[], cardinality(%(keys)s::text[]), %(reason)s, %(dry_run)s,
  %(created_by)s
)
returning id::text;

-- find_unfinished --
-- Steward. An erasure of exactly these keys that has not come to its end: it is taken up where it stands.
select e.id::text, e.job_id::text, j.state from lakeward.erasure e
join lakeward.job j on j.id = e.job_id
where e.dataset_id = %(dataset_id)s and e.key_hashes = %(hashes)s::bytea[] and not e.dry_run and e.finished_at is null
order by e.created_at desc
limit 1
for update of e;

-- set_job --
-- Steward.
update lakeward.erasure set job_id = %(job_id)s::uuid where id = %(id)s::uuid;

-- erasures --
-- Steward. Newest first, keyset by (created_at, id).
select e.id::text, e.dataset, e.keys, e.reason, e.dry_run, j.id::text as job_id, j.state, e.step,
  jsonb_build_object('done', j.done, 'total', j.total, 'unit', j.unit, 'rate', null, 'eta_s', null) as progress,
  j.error, e.found, e.receipt is not null as has_receipt, e.created_by, e.created_at, e.finished_at
from lakeward.erasure e
join lakeward.job j on j.id = e.job_id
where (%(id)s::uuid is null or e.id = %(id)s::uuid)
  and (%(before_at)s::timestamptz is null or (e.created_at, e.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
order by e.created_at desc, e.id desc
limit %(limit)s;

-- receipt --
-- Steward.
select receipt from lakeward.erasure where id = %(id)s::uuid;

-- erasure_row --
select e.id::text, e.dataset, e.dataset_id, coalesce(d.row_key, '') as row_key,
  coalesce(format_type(a.atttypid, a.atttypmod), '') as key_type,
  e.row_key_values, e.key_hashes, e.keys, e.reason, e.dry_run, e.step, e.found, e.created_by, e.created_at
from lakeward.erasure e
left join lakeward.dataset d on d.id = e.dataset_id
left join pg_attribute a on a.attrelid = to_regclass('lake.' || quote_ident(d.name)) and a.attname = d.row_key
where e.id = %(id)s::uuid;

-- complete_step --
update lakeward.erasure set step = %(step)s, found = found || %(found)s where id = %(id)s::uuid;

-- finish_erasure --
update lakeward.erasure set
  step = %(step)s, found = found || %(found)s, receipt = %(receipt)s, finished_at = now(), row_key_values = null
where id = %(id)s::uuid;

-- indexes_over --
-- The vector indexes over a dataset and over views of it.
select i.table_name as name, i.dimensions from lakeward.vector_index i
where i.relation_id = %(dataset_id)s
  or i.relation_id in (select v.view_id from lakeward.safe_view_base v where v.base_id = %(dataset_id)s)
order by i.name;

-- all_indexes --
select i.table_name as name, i.dimensions from lakeward.vector_index i order by i.name;

-- table_datasets --
select d.name from lakeward.dataset d where to_regclass('lake.' || quote_ident(d.name)) is not null order by d.name;

-- column_types --
select jsonb_object_agg(c.name, c.type) from lakeward.dataset_column c where c.dataset_id = %(dataset_id)s;

-- images --
select image from lakeward.tombstone
where dataset_id = %(dataset_id)s and key_hash = any(%(hashes)s::bytea[]) and image is not null;

-- subject_journal --
-- What the journal keeps of these entities, followed back through changes of their keys as lakeward.erase_journal does.
with recursive subject as (
  select e.key collate "C" as key, 9223372036854775807 as until from unnest(%(keys)s::text[]) e (key)
  union
  select j.old #>> '{}' collate "C", j.id
  from subject s
  join lakeward.journal j on j.dataset = %(dataset)s and j.entity = s.key
    and j.kind = 'rekey' and j.new #>> '{}' = s.key and j.id <= s.until
)
select distinct on (j.id) j.id, j.entity, j.field, j.old, j.new, j.tableoid::regclass::text as partition
from subject s
join lakeward.journal j on j.dataset = %(dataset)s and j.entity = s.key and j.id <= s.until
order by j.id;

-- subject_partitions --
-- The partitions of journal and audit that name these keys; asked before erase_journal takes them out.
with recursive subject as (
  select e.key collate "C" as key, 9223372036854775807 as until from unnest(%(keys)s::text[]) e (key)
  union
  select j.old #>> '{}' collate "C", j.id
  from subject s
  join lakeward.journal j on j.dataset = %(dataset)s and j.entity = s.key
    and j.kind = 'rekey' and j.new #>> '{}' = s.key and j.id <= s.until
)
select distinct j.tableoid::regclass::text
from subject s
join lakeward.journal j on j.dataset = %(dataset)s and j.entity = s.key and j.id <= s.until
union
select distinct a.tableoid::regclass::text from lakeward.audit_entry a where a.hits && %(keys)s::text[];

-- create_tombstones --
select tombstoned, already, missing
from lakeward.create_tombstones(%(dataset)s, %(key_column)s, %(keys)s, %(reason)s);

-- erase_journal --
select entries, audit_entries from lakeward.erase_journal(%(dataset)s, %(keys)s);

-- rejected_rows --
select id, reason || E'\n' || raw as text from lakeward.rejected_row where id > %(after)s order by id limit 1000;

-- blank_rejected --
update lakeward.rejected_row set raw = '', reason = 'erased' where id = any(%(ids)s);

-- job_texts --
select id::text as id, coalesce(error::text, '') || coalesce(result::text, '') || args::text as text
from lakeward.job where state in ('succeeded', 'failed', 'cancelled') order by id;

-- blank_jobs --
update lakeward.job set
  args = '{}', result = null,
  error = case when error is not null then jsonb_build_object('code', error ->> 'code', 'message', 'erased') end
where id = any(%(ids)s::uuid[]);

-- audit_models --
-- What callers said they are, in X-Lakehouse-Model.
select distinct model as id, model as text from lakeward.audit_entry where model is not null;

-- audit_hits --
-- What people's own sessions said that they read: such a session may say anything (lakeward.append_audit).
select id, unnest(hits) as text from lakeward.audit_entry where door = 'psql' and cardinality(hits) > 0;

-- blank_audit --
with erasing as materialized (select set_config('lakeward.erasing', 'on', true) as said)
update lakeward.audit_entry a set
  model = case when a.model <> all(%(models)s::text[]) then a.model end,
  hits = case when a.hits is not null then array(
    select h.hit from unnest(a.hits) with ordinality h (hit, place) where h.hit <> all(%(hits)s::text[]) order by h.place
  ) end
from erasing
where erasing.said = 'on' and (a.model = any(%(models)s::text[]) or a.door = 'psql' and a.hits && %(hits)s::text[]);

-- audit_partitions --
select distinct a.tableoid::regclass::text from lakeward.audit_entry a
where a.model = any(%(models)s::text[]) or a.door = 'psql' and a.hits && %(hits)s::text[];

-- eval_queries --
-- Questions that somebody gave; those that are parts of rows are read from the chunks, and gone with them.
select id, coalesce(question, '') as text, vector from lakeward.eval_query
where chunk_id is null and id > %(after)s order by id limit 1000;

-- drop_eval_queries --
delete from lakeward.eval_query where id = any(%(ids)s);

-- forget_relevant --
-- The erased rows are no good answer to any question any more.
update lakeward.eval_query q set relevant = array(select r from unnest(q.relevant) r where r <> all(%(keys)s::text[]))
from lakeward.eval_set e
join lakeward.vector_index i on i.id = e.index_id
where e.id = q.eval_id and q.relevant && %(keys)s::text[] and i.table_name = any(%(indexes)s);

-- stop_trials --
-- Trials of these indexes work on copies of their vectors, the erased ones among them.
update lakeward.job set cancel_requested = true
where kind in ('trial', 'autotune') and state = 'running'
  and args ->> 'index' in (select i.name from lakeward.vector_index i where i.table_name = any(%(indexes)s));

-- purge_tombstones --
-- key_hash stays, the HMAC of the key's text with the deployment's secret: the next load computes it of its own keys and
-- so knows the subject again, without this row telling anybody who it was.
update lakeward.tombstone set image = null, key_value = null, purged_at = coalesce(purged_at, clock_timestamp())
where dataset_id = %(dataset_id)s and key_hash = any(%(hashes)s::bytea[]);

-- forget_keys --
-- Those of other erasures of the same rows too, dry ones among them.
update lakeward.erasure set row_key_values = null
where dataset_id = %(dataset_id)s and key_hashes && %(hashes)s::bytea[];

-- purge_point --
select pg_current_xact_id()::text as xid, pg_current_wal_insert_lsn()::text as lsn,
  to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at;

-- old_transactions --
-- Whatever may still see, or keep others from forgetting, what transaction %(xid)s deleted. Lazy vacuums are no danger.
select count(*) from (
  select from pg_stat_activity a
  where a.pid <> pg_backend_pid() and coalesce(a.datid, 0) in (0, (select oid from pg_database where datname = current_database()))
    and greatest(age(a.backend_xid), age(a.backend_xmin)) >= age(%(xid)s::xid8::xid)
    and not exists (select from pg_stat_progress_vacuum v where v.pid = a.pid)
  union all
  select from pg_replication_slots s where greatest(age(s.xmin), age(s.catalog_xmin)) >= age(%(xid)s::xid8::xid)
  union all
  select from pg_prepared_xacts p where age(p.transaction) >= age(%(xid)s::xid8::xid)
) seen;

-- relation_exists --
select to_regclass(%(name)s) is not null;

-- file_node --
select pg_relation_filenode(to_regclass(%(name)s))::bigint;

-- invalid_indexes --
select count(*) from pg_index i where i.indrelid = any(%(names)s::regclass[]) and not (i.indisvalid and i.indisready);

-- relations_of_files --
-- What the files of this database belong to, a TOAST table or an index by its table.
select pg_relation_filenode(c.oid)::bigint as file, n.nspname || '.' || m.relname as name
from pg_class c
left join pg_index i on i.indexrelid = c.oid
join pg_class t on t.oid = coalesce(i.indrelid, c.oid)
left join pg_class o on o.reltoastrelid = t.oid
join pg_class m on m.oid = coalesce(o.oid, t.oid)
join pg_namespace n on n.oid = m.relnamespace
where pg_relation_filenode(c.oid) = any(%(files)s::oid[]);

-- cluster --
select oid::bigint as database_oid, (select system_identifier from pg_control_system()) as system_identifier,
  current_setting('server_version') as server_version, current_setting('wal_compression') as wal_compression,
  current_setting('archive_mode') as archive_mode,
  (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_bytes,
  (select count(*) from pg_replication_slots) as slots
from pg_database where datname = current_database();

-- readers_with_key --
-- The readers' views of the dataset and of its views that show the row key as it is.
select s.role_name, p.schema_name, r.name as relation, s.name as key_column
from lakeward.shown_column s
join lakeward.profile p on p.id = s.profile_id
join lakeward.relation r on r.id = s.relation_id
join lakeward.dataset d on d.id = s.base_id
where s.base_id = %(dataset_id)s and s.name = d.row_key and s.action is null
order by p.id, r.name;

-- left_over --
-- What the catalog still knows of the subjects.
select
  (select count(*) from lakeward.tombstone t
    where t.dataset_id = %(dataset_id)s and t.key_hash = any(%(hashes)s::bytea[])
      and (t.image is not null or t.key_value is not null)) as tombstones,
  (select count(*) from lakeward.journal j
    where j.dataset = %(dataset)s and j.entity = any(%(keys)s::text[]) and (j.old is not null or j.new is not null)) as journal_entries,
  (select count(*) from lakeward.audit_entry a
    where a.hits && %(keys)s::text[] and %(dataset)s = any(a.relations)) as audit_entries;

-- awaited_uploads --
select args ->> 'path' from lakeward.job where kind = 'ingest' and state in ('queued', 'running');

-- append_journal --
select lakeward.append_journal('erasure', %(dataset)s, null, null, null, %(new)s);

-- start_over --
-- Steward. Its working file is lost: it begins again with the keys alone.
update lakeward.erasure set step = '', found = '{}', row_key_values = %(keys)s where id = %(id)s::uuid;

-- wrong_key --
-- Steward. The place, from 0, of the first key that is no value of the row key's type.
select k.place - 1 from unnest(%(keys)s::text[]) with ordinality k (key, place)
where not pg_input_is_valid(k.key, %(type)s) order by k.place limit 1;

-- key_hashes --
-- Steward.
select array_agg(h.hash order by h.hash)
from unnest(%(keys)s::text[]) k (key)
cross join lateral (select lakeward.key_hash(k.key, %(type)s) as hash) h;

-- compressible --
-- Columns of these relations whose long values may be compressed, which a byte scan cannot see through.
select array_agg(c.name || '.' || a.attname order by c.name, a.attnum)
from unnest(%(names)s::text[]) c (name)
join pg_attribute a on a.attrelid = to_regclass(c.name) and a.attnum > 0 and not a.attisdropped
where a.attstorage in ('x', 'm') and c.name ~ '^(lake|vec)\.' and a.attname <> 'row_key'
  and a.atttypid in ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype, 'bytea'::regtype);

-- copies --
-- Datasets that were copied from this one, or from its copies, and are still there.
with recursive copy (name) as (
  select %(dataset)s::text
  union
  select d.name from copy c join lakeward.dataset d on d.lineage @> jsonb_build_array(jsonb_build_object('dataset', c.name))
)
select c.name from copy c where c.name <> %(dataset)s order by c.name;
