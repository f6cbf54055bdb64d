-- lock_writers --
-- Who writes files of one dataset takes turns. Tombstones do not wait for that: they lock the dataset's row, a writer only
-- when it pins what it wrote. 77 is this lock's kind.
select pg_advisory_xact_lock(77, %(dataset_id)s::bigint::int);

-- find_dataset --
select d.id as dataset_id, d.name, d.row_key, b.bucket, b.location, b.format, b.delta_version, b.partition_columns,
  b.arrow_schema
from lakeward.dataset d join lakeward.bucket_dataset b on b.dataset_id = d.id
where d.name = %(name)s;

-- create_bucket_dataset --
insert into lakeward.bucket_dataset (
  dataset_id, bucket, location, format, delta_version, partition_columns, arrow_schema, files, bytes
)
values (
  %(dataset_id)s, %(bucket)s, %(location)s, %(format)s, %(version)s, %(partition_columns)s, %(arrow_schema)s, %(files)s, %(bytes)s
);

-- append_load --
select lakeward.append_journal('load', %(dataset)s, null, null, null, %(source)s::jsonb);

-- pin --
-- Whoever wrote after a version that is not the pinned one any more has written nothing.
update lakeward.bucket_dataset set delta_version = %(version)s, files = %(files)s, bytes = %(bytes)s, updated_at = now()
where dataset_id = %(dataset_id)s and delta_version is not distinct from %(before)s
returning 1;

-- bucket_sources --
select s.name, s.dataset_id, s.bucket, s.location, s.format, s.delta_version, s.partition_columns, s.arrow_schema, s.row_key, s.columns, s.stored,
  s.filter_tree, s.has_tombstones
from lakeward.bucket_sources(%(profile)s, %(words)s) s
where s.columns is not null;

-- tombstoned_keys --
-- What an erasure left is no key any more, and its rows are out of the files.
select t.key_value from lakeward.tombstone t
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.key_value is not null
order by t.key_value;

-- hash_key --
-- The gate's: the key of the redaction `hash`.
select s.hmac_inner as inner, s.hmac_outer as outer from lakeward.secret s;

-- unpurged_keys --
-- Of rows that are still in the files.
select t.key_value from lakeward.tombstone t
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.purged_at is null and t.key_value is not null;

-- purge_tombstones --
-- The rows have left the files. The key stays, so that no load brings them back.
update lakeward.tombstone t set purged_at = clock_timestamp()
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.purged_at is null and t.key_value = any(%(keys)s::text[]);

-- append_compaction --
select lakeward.append_journal(
  'compaction', %(dataset)s, null, null, null, jsonb_build_object('purged', %(purged)s::int, 'files', %(files)s::int)
);

-- is_dataset --
select d.id from lakeward.dataset d where d.name = %(name)s;

-- due_for_compaction --
-- Whose job is not waiting or running already.
select d.name
from lakeward.bucket_dataset b
join lakeward.dataset d on d.id = b.dataset_id
where b.format = 'delta'
  and (
    b.files >= %(many)s and b.bytes / b.files < %(small)s
    or exists (
      select from lakeward.tombstone t
      where t.dataset_id = d.id and t.undone_at is null and t.purged_at is null
        and t.created_at < now() - make_interval(days => %(days)s)
    )
  )
  and not exists (
    select from lakeward.job j where j.kind = %(kind)s and j.subject = d.name and j.state in ('queued', 'running')
  )
order by d.name;

-- begin_folder --
insert into lakeward.bucket_folder (bucket, location) values (%(bucket)s, %(location)s);

-- hold_folder --
-- Whoever removes folders leaves out what is locked.
select f.begun_at from lakeward.bucket_folder f where f.bucket = %(bucket)s and f.location = %(location)s for update;

-- next_orphan --
-- A folder in which no dataset is and at which nobody is at work.
select f.bucket, f.location from lakeward.bucket_folder f
where f.begun_at < clock_timestamp() - make_interval(secs => %(older_s)s)
  and (f.bucket, f.location) > (%(bucket)s::text, %(location)s::text)
  and (%(only)s::text is null or f.location = %(only)s)
  and not exists (select from lakeward.bucket_dataset b where b.location = f.location)
order by f.bucket, f.location
limit 1
for update skip locked;

-- is_used --
-- Asked once the folder is locked: its writer may have committed while that was being done.
select exists (select from lakeward.bucket_dataset b where b.location = %(location)s);

-- forget_folder --
delete from lakeward.bucket_folder f where f.bucket = %(bucket)s and f.location = %(location)s;

-- resync_names --
select d.name from lakeward.bucket_dataset b join lakeward.dataset d on d.id = b.dataset_id order by d.name;

-- resync_dataset --
-- With the tombstones of rows that are still in the files.
select d.id as dataset_id, d.name, d.row_key, b.bucket, b.location, b.format, b.delta_version, b.partition_columns,
  b.arrow_schema, d.row_count, b.files, b.bytes,
  (
    select count(*) from lakeward.tombstone t
    where t.dataset_id = d.id and t.undone_at is null and t.purged_at is null
  ) as gone,
  array(select c.name from lakeward.dataset_column c where c.dataset_id = d.id order by c.position) as columns
from lakeward.dataset d join lakeward.bucket_dataset b on b.dataset_id = d.id
where d.name = %(name)s;

-- lock_dataset_row --
select d.id from lakeward.dataset d where d.name = %(name)s for update;

-- resync_files --
update lakeward.bucket_dataset set
  delta_version = %(version)s, files = %(files)s, bytes = %(bytes)s, arrow_schema = %(arrow_schema)s,
  partition_columns = %(partition_columns)s, updated_at = now()
where dataset_id = %(dataset_id)s;

-- resync_rows --
update lakeward.dataset set row_count = %(rows)s, updated_at = now() where id = %(dataset_id)s;

-- add_columns --
-- Nobody sees them before somebody has classified them.
insert into lakeward.dataset_column (dataset_id, position, name, source_name, type, sensitivity)
select %(dataset_id)s, x.position + coalesce((
  select max(c.position) from lakeward.dataset_column c where c.dataset_id = %(dataset_id)s
), 0), x.name, x.name, x.type, 'unclassified'
from unnest(%(names)s::text[], %(types)s::text[]) with ordinality x (name, type, position);

-- rebuild_views --
select lakeward.install_readers(%(dataset_id)s);

-- append_resync --
select lakeward.append_journal('resync', %(dataset)s, null, null, null, %(changes)s::jsonb);
