-- find_file --
-- A file that was loaded into a dataset before, by its content, when loading it again would change nothing: to merge
-- it would undo what a later file changed, and to replace by it would take away what other files brought.
select f.id, f.rows, f.rejected from lakeward.dataset_file f join lakeward.dataset d on d.id = f.dataset_id
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
select lakeward.install_reader_view(b.profile_id, b.relation_id)
from lakeward.binding b where b.relation_id = %(dataset_id)s;

-- indexes_of --
select name from lakeward.vector_index where relation_id = %(dataset_id)s order by name;

-- awaited_uploads --
-- Uploads that a job still has to load.
select args ->> 'path' from lakeward.job where kind = 'ingest' and state in ('queued', 'running');

-- leftovers --
-- Load tables that no load can still be working on.
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'lake' and c.relname ~ '^_load_[0-9]+_[0-9a-f]+$'
  and split_part(c.relname, '_', 3)::bigint < %(before)s;
