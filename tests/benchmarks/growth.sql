-- create_relations --
insert into lakeward.relation (name, kind)
select 'other_' || n, 'dataset' from generate_series(%(first)s::bigint, %(last)s) g (n);

-- create_datasets --
-- Copies of one that is there, with their columns and files.
insert into lakeward.dataset (id, name, home)
select r.id, r.name, 'bucket' from lakeward.relation r
where r.name like 'other\_%%' and not exists (select from lakeward.dataset d where d.id = r.id);

-- create_columns --
insert into lakeward.dataset_column (dataset_id, position, name, source_name, type)
select d.id, c.position, c.name, c.source_name, c.type
from lakeward.dataset d
join lakeward.dataset_column c on c.dataset_id = (select t.id from lakeward.dataset t where t.name = 'files_10')
where d.name like 'other\_%%' and not exists (select from lakeward.dataset_column x where x.dataset_id = d.id);

-- create_files --
insert into lakeward.bucket_dataset (dataset_id, bucket, location, format, arrow_schema, files, bytes)
select d.id, b.bucket, b.location, b.format, b.arrow_schema, b.files, b.bytes
from lakeward.dataset d
join lakeward.bucket_dataset b on b.dataset_id = (select t.id from lakeward.dataset t where t.name = 'files_10')
where d.name like 'other\_%%' and not exists (select from lakeward.bucket_dataset x where x.dataset_id = d.id);
