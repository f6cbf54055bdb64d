-- The statements that storage sends.

-- append_error --
insert into lakeward.storage_error (bucket, operation, key, kind, message, request_id)
values (%(bucket)s, %(operation)s, %(key)s, %(kind)s, %(message)s, %(request_id)s);

-- list_errors --
-- Newest first, keyset by id.
select id, at, bucket, operation, key, kind, message, request_id
from lakeward.storage_error
where (%(bucket)s::text is null or bucket = %(bucket)s)
  and (%(before)s::bigint is null or id < %(before)s)
order by id desc
limit %(limit)s;

-- journal_object --
select lakeward.append_journal(%(kind)s, null, %(entity)s, null, null, %(new)s);

-- find_profile --
select id from lakeward.profile where id = %(id)s;

-- datasets_in --
-- Datasets whose files are in this bucket, at or below the prefix.
select d.name
from lakeward.bucket_dataset b join lakeward.dataset d on d.id = b.dataset_id
where b.bucket = %(bucket)s and (starts_with(b.location || '/', %(prefix)s) or starts_with(%(prefix)s, b.location || '/'))
order by d.name
limit 20;

-- mount_profile --
insert into lakeward.profile_bucket (profile_id) values (%(id)s) on conflict do nothing;

-- unmount_profile --
delete from lakeward.profile_bucket where profile_id = %(id)s;

-- mounted_profiles --
select p.profile_id as id from lakeward.profile_bucket p order by p.profile_id;
