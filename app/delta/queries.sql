-- lock_dataset --
-- Writers of one bucket dataset run one after another; tombstones wait for them.
select d.id as dataset_id, d.name, d.row_key, b.bucket, b.location, b.format, b.delta_version, b.partition_columns
from lakeward.dataset d join lakeward.bucket_dataset b on b.dataset_id = d.id
where d.name = %(name)s
for update of d;

-- find_dataset --
select d.id as dataset_id, d.name, d.row_key, b.bucket, b.location, b.format, b.delta_version, b.partition_columns
from lakeward.dataset d join lakeward.bucket_dataset b on b.dataset_id = d.id
where d.name = %(name)s;

-- create_bucket_dataset --
insert into lakeward.bucket_dataset (dataset_id, bucket, location, format, delta_version, partition_columns, files, bytes)
values (%(dataset_id)s, %(bucket)s, %(location)s, %(format)s, %(version)s, %(partition_columns)s, %(files)s, %(bytes)s);

-- pin --
-- Whoever wrote after a version that is not the pinned one any more has written nothing.
update lakeward.bucket_dataset set delta_version = %(version)s, files = %(files)s, bytes = %(bytes)s, updated_at = now()
where dataset_id = %(dataset_id)s and delta_version is not distinct from %(before)s
returning 1;

-- bucket_sources --
select s.name, s.dataset_id, s.bucket, s.location, s.format, s.delta_version, s.partition_columns, s.row_key, s.columns, s.stored,
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

-- purge_tombstones --
update lakeward.tombstone t set purged_at = clock_timestamp()
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.purged_at is null and t.key_value = any(%(keys)s);
