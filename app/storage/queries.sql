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
