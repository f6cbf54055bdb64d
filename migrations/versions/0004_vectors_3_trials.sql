-- Eval sets and the journal of trials. Both are the admin's alone.
create table lakeward.eval_set (
  id bigint generated always as identity primary key,
  name text not null unique,
  index_id bigint not null references lakeward.vector_index (id) on delete cascade,
  created_by text not null default '',
  created_at timestamptz not null default now()
);
create index on lakeward.eval_set (index_id);

-- A question is a text or a vector that an admin gave, or a part of a chunk. Of such a part only the chunk's id is kept, and
-- the text is read when it is asked: it changes with its row, and is gone with it.
create table lakeward.eval_query (
  id bigint generated always as identity primary key,
  eval_id bigint not null references lakeward.eval_set (id) on delete cascade,
  chunk_id bigint,
  question text,
  vector real[],
  relevant text[] not null default '{}',
  constraint eval_query_one_question_check check (num_nonnulls(chunk_id, question, vector) = 1)
);
create index on lakeward.eval_query (eval_id);
-- uncompressed: a byte scan must be able to find what erasure has to remove
alter table lakeward.eval_query alter column question set storage external, alter column vector set storage external,
alter column relevant set storage external;

-- What is nearest to a query, found exactly. It counts while the index is at this version, which changes with its chunks.
create table lakeward.eval_truth (
  query_id bigint primary key references lakeward.eval_query (id) on delete cascade,
  version text not null,
  chunk_ids bigint[] not null,
  distances real[] not null
);

-- No reference to the index: what was measured stays on record when the index is gone.
create table lakeward.trial (
  id bigint generated always as identity primary key,
  job_id uuid not null,
  kind text not null,
  index_id bigint not null,
  index_name text not null,
  eval_name text not null,
  model_name text not null,
  model_version text not null,
  version text not null,
  vectors bigint not null,
  m integer not null,
  ef_construction integer not null,
  type text not null,
  ef_search integer not null,
  k integer not null,
  queries integer not null,
  recall double precision not null,
  recall_low double precision not null,
  recall_high double precision not null,
  p50_us double precision not null,
  p95_us double precision not null,
  p99_us double precision not null,
  build_s double precision not null,
  bytes bigint not null,
  measured_by text not null default '',
  measured_at timestamptz not null default now(),
  constraint trial_kind_check check (kind in ('trial', 'autotune')),
  constraint trial_type_check check (type in ('halfvec', 'vector', 'binary'))
);
create index on lakeward.trial (index_id, id);
create index on lakeward.trial (job_id);
