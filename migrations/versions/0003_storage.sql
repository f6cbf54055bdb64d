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

-- Operations on buckets that failed. Append-only (lakeward.keep_record); messages hold no secret.
create table lakeward.storage_error (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  bucket text not null,
  operation text not null,
  key text not null default '',
  kind text not null,
  message text not null,
  request_id text
);
create index storage_error_bucket_idx on lakeward.storage_error (bucket, id);

-- Profiles whose own bucket is mounted, in every process and after a restart.
create table lakeward.profile_bucket (
  profile_id text primary key references lakeward.profile (id) on delete cascade,
  mounted_at timestamptz not null default now()
);

-- Folders that were begun for the files of a dataset. One that no dataset is in was left by a writer that died, or by a dataset that
-- was deleted, and may be removed; what was not begun here is never touched. Its writer holds a lock on the row.
create table lakeward.bucket_folder (
  bucket text not null,
  location text not null,
  begun_at timestamptz not null default clock_timestamp(),
  primary key (bucket, location)
);

-- Datasets whose rows the hot cache keeps, and makes ready when they are in files.
create table lakeward.cache_pin (
  dataset_id bigint primary key references lakeward.dataset (id) on delete cascade,
  pinned_at timestamptz not null default now()
);
