-- Where the rows of a bucket dataset are. A Delta table has the version that counts; files that were attached as they are
-- have none. No reader is told any of it.
create table lakeward.bucket_dataset (
  dataset_id bigint primary key references lakeward.dataset (id) on delete cascade,
  bucket text not null,
  location text not null,
  format text not null check (format in ('delta', 'parquet')),
  delta_version bigint,
  partition_columns text[] not null default '{}',
  -- the columns of attached files (Arrow's IPC form); a Delta log has its own
  arrow_schema bytea,
  files bigint not null default 0,
  bytes bigint not null default 0,
  updated_at timestamptz not null default now(),
  check (format = 'delta' or delta_version is null)
);
