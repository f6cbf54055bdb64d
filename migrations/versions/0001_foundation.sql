-- The tables of the foundation. Their SQLAlchemy description is each capability's tables.py;
-- tests/integration/db/test_migrations.py holds the two to each other.

create table lakeward.deployment (
  only_row boolean primary key default true check (only_row),
  prefix text not null,
  profile_prefix text not null,
  owner_role text not null,
  gate_role text not null,
  steward_role text not null,
  service_role text not null,
  ext_schema text not null,
  created_at timestamptz not null default now()
);

create table lakeward.relation (
  id bigint generated always as identity primary key,
  name text not null unique,
  kind text not null check (kind in ('dataset', 'view')),
  unique (id, name)
);

create table lakeward.dataset (
  id bigint primary key,
  name text not null unique,
  home text not null check (home in ('table', 'bucket')),
  row_key text,
  description text not null default '',
  owner text not null default '',
  sensitivity text not null default 'internal',
  tags text[] not null default '{}',
  lineage jsonb not null default '[]',
  row_count bigint not null default 0,
  version bigint not null default 0,
  last_embedded_at timestamptz,
  embedding_stale_since timestamptz,
  embedding_refresh_policy text not null default 'manual'
    check (embedding_refresh_policy in ('manual', 'on_append', 'scheduled')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (id, name) references lakeward.relation (id, name) on delete cascade
);

create table lakeward.dataset_column (
  dataset_id bigint not null references lakeward.dataset (id) on delete cascade,
  position integer not null,
  name text not null,
  source_name text not null,
  type text not null,
  sensitivity text not null default 'internal',
  pii text,
  primary key (dataset_id, position),
  unique (dataset_id, name)
);

create table lakeward.dataset_file (
  id bigint generated always as identity primary key,
  dataset_id bigint not null references lakeward.dataset (id) on delete cascade,
  content_sha256 text not null,
  filename text not null,
  rows bigint not null,
  rejected bigint not null,
  disposition text not null check (disposition in ('append', 'replace', 'merge')),
  loaded_at timestamptz not null default now(),
  loaded_by text not null default '',
  unique (dataset_id, content_sha256)
);

create table lakeward.rejected_row (
  id bigint generated always as identity primary key,
  file_id bigint not null references lakeward.dataset_file (id) on delete cascade,
  line bigint,
  reason text not null,
  raw text not null
);
create index rejected_row_file_id_idx on lakeward.rejected_row (file_id);

create table lakeward.profile (
  id text primary key check (id ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
  description text not null default '',
  ollama_name text,
  m integer not null default 16 check (m between 2 and 100),
  ef_construction integer not null default 80 check (ef_construction between 4 and 1000),
  ef_search integer not null default 30 check (ef_search between 1 and 1000),
  embed_model text,
  access_role text not null default 'agent',
  vector_backend text not null default 'pgvector' check (vector_backend in ('pgvector')),
  role_name text not null unique,
  schema_name text not null unique,
  created_at timestamptz not null default now(),
  created_by text not null default '',
  constraint profile_ef_construction_covers_m check (ef_construction >= 2 * m)
);

create table lakeward.binding (
  profile_id text not null references lakeward.profile (id) on delete cascade,
  relation_id bigint not null references lakeward.relation (id) on delete cascade,
  role_name text not null,
  created_at timestamptz not null default now(),
  primary key (profile_id, relation_id)
);
create index binding_role_name_idx on lakeward.binding (role_name, relation_id);
create index binding_relation_id_idx on lakeward.binding (relation_id);

create table lakeward.api_key (
  id text primary key,
  name text not null,
  kind text not null check (kind in ('admin', 'reader')),
  profile_id text references lakeward.profile (id) on delete cascade,
  model text,
  secret_sha256 bytea not null check (length(secret_sha256) = 32),
  created_at timestamptz not null default now(),
  revoked_at timestamptz,
  constraint api_key_reader_has_profile check ((kind = 'reader') = (profile_id is not null))
);

create table lakeward.job (
  id uuid primary key default gen_random_uuid(),
  kind text not null,
  subject text not null default '',
  state text not null default 'queued'
    check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  args jsonb not null default '{}',
  done bigint not null default 0,
  total bigint,
  unit text not null default 'rows',
  rate double precision,
  eta_s double precision,
  error jsonb,
  result jsonb,
  attempts integer not null default 0,
  lock text,
  cancel_requested boolean not null default false,
  created_by text not null default '',
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
);
create index job_created_at_idx on lakeward.job (created_at desc, id desc);

create table lakeward.vector_index (
  id bigint generated always as identity primary key,
  name text not null unique,
  relation_id bigint not null references lakeward.relation (id),
  text_columns text[] not null,
  chunk_size integer not null,
  chunk_overlap integer not null,
  provider text not null,
  model_name text not null,
  model_version text not null,
  dimensions integer not null check (dimensions between 1 and 4000),
  row_key text not null,
  created_at timestamptz not null default now(),
  last_embedded_at timestamptz
);
create index vector_index_relation_id_idx on lakeward.vector_index (relation_id);

create table lakeward.index_variant (
  id integer generated always as identity primary key,
  index_id bigint not null references lakeward.vector_index (id) on delete cascade,
  m integer not null,
  ef_construction integer not null,
  state text not null default 'building' check (state in ('building', 'ready', 'failed')),
  build_ms double precision,
  created_at timestamptz not null default now(),
  unique (index_id, m, ef_construction)
);
