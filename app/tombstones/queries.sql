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

-- may_tombstone --
-- As a reader: raises when it may not.
select lakeward.may_tombstone(%(dataset)s);

-- lock_row --
select d.id from lakeward.dataset d where d.id = %(dataset_id)s for update;

-- key_type --
select c.type from lakeward.dataset_column c where c.dataset_id = %(dataset_id)s and c.name = %(row_key)s;

-- unfit_key --
select k.key from unnest(%(keys)s::text[]) k (key) where not pg_input_is_valid(k.key, %(key_type)s) limit 1;

-- spelled_keys --
-- 007 is 7 where keys are numbers; each once.
select distinct lakeward.spell_key(k.key, %(key_type)s) from unnest(%(keys)s::text[]) k (key) order by 1;

-- tombstoned_of --
select t.key_value from lakeward.tombstone t
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.key_value = any(%(keys)s::text[]);

-- tombstone_keys --
select lakeward.tombstone_keys(%(dataset_id)s, %(key_type)s, %(keys)s::text[], %(reason)s);

-- undo_tombstone_keys --
select t.restored, t.purged, t.missing, t.missing_keys
from lakeward.undo_tombstone_keys(%(dataset_id)s, %(key_type)s, %(keys)s::text[]) t;
