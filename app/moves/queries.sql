-- source_columns --
select c.name, c.source_name, c.type, c.sensitivity, c.pii from lakeward.dataset_column c
where c.dataset_id = %(dataset_id)s order by c.position;

-- tombstones_of --
-- Asked before the snapshot in which the rows are read: a row of theirs is in no copy.
select t.id from lakeward.tombstone t where t.dataset_id = %(dataset_id)s and t.undone_at is null;

-- export_snapshot --
select pg_export_snapshot();

-- lock_source --
-- Neither loads nor tombstones nor a classification, until the copy is committed.
select d.id from lakeward.dataset d where d.id = %(dataset_id)s and d.name = %(name)s for share;

-- later_tombstones --
select t.key_value, t.row_key_column from lakeward.tombstone t
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.id <> all(%(known)s::bigint[]);

-- copy_columns --
-- With the sensitivity that they have by now.
insert into lakeward.dataset_column (dataset_id, position, name, source_name, type, sensitivity, pii)
select %(dataset_id)s, x.position, x.name, x.source_name, x.type, coalesce(c.sensitivity, x.sensitivity), coalesce(c.pii, x.pii)
from unnest(
  %(names)s::text[], %(source_names)s::text[], %(types)s::text[], %(sensitivities)s::text[], %(piis)s::text[]
) with ordinality x (name, source_name, type, sensitivity, pii, position)
left join lakeward.dataset_column c on c.dataset_id = %(source_id)s and c.name = x.name;

-- describe_copy --
update lakeward.dataset d set description = s.description, owner = s.owner, sensitivity = s.sensitivity, tags = s.tags
from lakeward.dataset s
where d.id = %(dataset_id)s and s.id = %(source_id)s;

-- append_move --
select lakeward.append_journal('load', %(target)s, null, null, null, %(source)s::jsonb);

-- append_read --
select lakeward.append_journal(%(kind)s, %(dataset)s, null, null, null, %(copy)s::jsonb);

-- find_moved --
-- What an attempt before this one did, whose worker died before it could say so.
select d.name as dataset, e.value ->> 'dataset' as source, d.row_count as rows, (e.value ->> 'tombstoned')::bigint as tombstoned
from lakeward.dataset d cross join jsonb_array_elements(d.lineage) e
where d.name = %(target)s and e.value ->> 'job' = %(job)s;

-- name_taken --
select exists (select from lakeward.relation r where r.name = %(name)s);

-- drop_tombstoned --
select lakeward.drop_tombstoned(%(source_id)s, %(load_table)s, true);

-- attach_dataset --
select lakeward.attach_dataset(%(dataset_id)s, %(load_table)s);

-- tombstone_keys --
select lakeward.tombstone_keys(%(dataset_id)s, %(key_type)s, %(keys)s::text[], %(reason)s);
