-- find_file --
-- A file that was loaded into a dataset before, by its content, when loading it again would change nothing: to merge
-- it would undo what a later file changed, and to replace by it would take away what other files brought.
select f.id, f.rows, f.rejected, d.home from lakeward.dataset_file f join lakeward.dataset d on d.id = f.dataset_id
where d.name = %(dataset)s and f.content_sha256 = %(content_sha256)s and not exists (
  select from lakeward.dataset_file other
  where other.dataset_id = f.dataset_id
    and (%(disposition)s = 'merge' and other.id > f.id or %(disposition)s = 'replace' and other.id <> f.id)
);

-- loaded_columns --
select c.name, c.type, c.pii, c.sensitivity
from lakeward.dataset_column c join lakeward.dataset d on d.id = c.dataset_id
where d.name = %(dataset)s order by c.position;

-- create_file --
insert into lakeward.dataset_file (dataset_id, content_sha256, filename, rows, rejected, disposition, loaded_by)
values (
  %(dataset_id)s, %(content_sha256)s, %(filename)s, %(rows)s, %(rejected)s, %(disposition)s, %(loaded_by)s
)
returning id;

-- forget_files --
-- After a replacement the earlier files' content is not there any more, so they may come again; a file that is merged
-- again is the newest.
delete from lakeward.dataset_file
where dataset_id = %(dataset_id)s and (%(disposition)s = 'replace' or content_sha256 = %(content_sha256)s);

-- attach_dataset --
select lakeward.attach_dataset(%(dataset_id)s, %(load_table)s);

-- rebuild_views --
select lakeward.install_readers(%(dataset_id)s);

-- indexes_of --
select i.name from lakeward.vector_index i
where i.state = 'live' and (
  i.relation_id = %(dataset_id)s
  or i.relation_id in (select v.view_id from lakeward.safe_view_base v where v.base_id = %(dataset_id)s)
)
order by i.name;

-- append_load --
-- The one journal entry of a load.
select lakeward.append_journal('load', %(dataset)s, null, null, null, %(source)s);

-- defer_refresh --
-- Indexes that are refreshed on append: the job exists when the rows do.
select lakeward.defer_refresh(%(dataset_id)s, %(created_by)s);

-- awaited_uploads --
-- Uploads that a job still has to load.
select args ->> 'path' from lakeward.job where kind = 'ingest' and state in ('queued', 'running');

-- leftovers --
-- Load tables that no load can still be working on.
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'lake' and c.relname ~ '^_load_[0-9]+_[0-9a-f]+$'
  and split_part(c.relname, '_', 3)::bigint < %(before)s;

-- broken_views --
-- Views of a dataset that need a column which these columns don't have, or not in the type it has now.
select distinct v.name from lakeward.safe_view_base b
join lakeward.safe_view v on v.id = b.view_id
join lakeward.dataset_column c on c.dataset_id = b.base_id
where b.base_id = %(dataset_id)s
  -- the row filter's columns are text in its tree; what is named there as a string counts as used
  and (c.name = any(v.columns) or strpos(b.filter_tree::text, to_jsonb(c.name)::text) > 0)
  and not exists (
    select from unnest(%(names)s::text[], %(types)s::text[]) n (name, type) where n.name = c.name and n.type = c.type
  )
order by v.name;

-- drop_tombstoned --
select lakeward.drop_tombstoned(%(dataset_id)s, %(load_table)s, %(as_loaded)s);

-- count_gone --
-- Tombstones of rows that are still in the files.
select count(*) from lakeward.tombstone t
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.purged_at is null;

-- purge_gone --
-- The files hold no row of before, and so none that is tombstoned.
update lakeward.tombstone t set purged_at = clock_timestamp()
where t.dataset_id = %(dataset_id)s and t.undone_at is null and t.purged_at is null;
