-- tombstone --
-- As a reader: the function says whether it may (sql/29_tombstone.sql).
select t.tombstoned, t.already, t.missing, t.missing_keys
from lakeward.tombstone(%(dataset)s, %(keys)s, %(reason)s) t;

-- create_tombstones --
select t.tombstoned, t.already, t.missing, t.missing_keys
from lakeward.create_tombstones(%(dataset)s, %(row_key_column)s, %(keys)s, %(reason)s) t;

-- undo_tombstones --
select t.restored, t.purged, t.missing, t.missing_keys
from lakeward.undo_tombstones(%(dataset)s, %(row_key_column)s, %(keys)s) t;

-- row_key --
-- Of a dataset the scope's role may see.
select d.row_key from lakeward.dataset d where d.name = %(dataset)s;

-- list_tombstones --
-- Newest first, keyset by id.
select t.id, t.key, t.reason, t.actor, t.at, t.undone_at, t.purged_at
from lakeward.tombstone_entry t
where t.dataset = %(dataset)s and (%(before)s::bigint is null or t.id < %(before)s)
order by t.id desc
limit %(limit)s;
