-- The tables of governance. Their SQLAlchemy description is each capability's tables.py;
-- tests/integration/db/test_migrations.py holds the two to each other.

-- Clearance: what an access role sees as it is, and what the rest becomes for it.
create table lakeward.access_role (
  name text primary key,
  description text not null default '',
  clearance text not null check (clearance in ('public', 'internal', 'confidential', 'restricted')),
  default_action text not null default 'null' check (default_action in ('null', 'hash', 'mask', 'mask_alphanum')),
  keep_prefix integer,
  keep_suffix integer,
  can_write boolean not null default false,
  created_at timestamptz not null default now(),
  constraint access_role_keep_with_mask check (
    default_action = 'mask' or (keep_prefix is null and keep_suffix is null)
  ),
  constraint access_role_keep_range check (
    coalesce(keep_prefix, 0) between 0 and 1000 and coalesce(keep_suffix, 0) between 0 and 1000
  )
);
insert into lakeward.access_role (name, description, clearance, default_action, can_write) values
('admin', 'sees everything, and may write', 'restricted', 'null', true),
('recruiter', 'works with people: sees what is confidential', 'confidential', 'mask_alphanum', false),
('analyst', 'counts and compares: what is confidential comes as a keyed hash, so that joins work', 'internal', 'hash', false),
('agent', 'a model or an agent: what is confidential is not there', 'internal', 'null', false);
insert into lakeward.access_role (name, clearance)
select distinct access_role, 'internal' from lakeward.profile
on conflict do nothing;

alter table lakeward.profile
add constraint profile_access_role_fkey foreign key (access_role) references lakeward.access_role (name);
create index profile_access_role_idx on lakeward.profile (access_role);
alter table lakeward.dataset_column
add constraint dataset_column_sensitivity_check
check (sensitivity in ('public', 'internal', 'confidential', 'restricted', 'unclassified'));

-- The key of the redaction `hash`, as HMAC-SHA256 (RFC 2104) uses it: key xor opad, key xor ipad.
create table lakeward.secret (
  only_row boolean primary key default true check (only_row),
  hmac_inner bytea not null check (length(hmac_inner) = 64),
  hmac_outer bytea not null check (length(hmac_outer) = 64)
);
do $$
declare
  -- 32 bytes out of 512 random bits: gen_random_uuid is the strong generator that needs no extension
  key bytea := sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
  ) || decode(repeat('00', 32), 'hex');
  inner_key bytea := key;
  outer_key bytea := key;
begin
  for i in 0 .. 63 loop
    inner_key := set_byte(inner_key, i, get_byte(key, i) # 54);
    outer_key := set_byte(outer_key, i, get_byte(key, i) # 92);
  end loop;
  insert into lakeward.secret (hmac_inner, hmac_outer) values (inner_key, outer_key);
end $$;

-- Which definitions of the projecting functions the readers' views were made by (sql/95_readers.sql).
alter table lakeward.deployment add column views_made_by text;

-- What a reader may know of a safe view; what the view is made of is in safe_view_base, for the admin alone.
create table lakeward.safe_view (
  id bigint primary key,
  name text not null unique,
  columns text[] not null,
  redactions jsonb not null default '{}',
  description text not null default '',
  created_at timestamptz not null default now(),
  created_by text not null default '',
  foreign key (id, name) references lakeward.relation (id, name) on delete cascade
);
create table lakeward.safe_view_base (
  view_id bigint primary key references lakeward.safe_view (id) on delete cascade,
  base_id bigint not null references lakeward.dataset (id),
  row_filter text,
  filter_tree jsonb,
  constraint safe_view_base_filter_has_tree check ((row_filter is null) = (filter_tree is null))
);
create index safe_view_base_base_id_idx on lakeward.safe_view_base (base_id);

alter table lakeward.binding add column id bigint not null generated always as identity unique;
alter table lakeward.binding add column base_id bigint references lakeward.dataset (id) on delete cascade;
-- md5 of what the reader's view was made of: a change that leaves it as it is makes no view anew
alter table lakeward.binding add column made_of text;
update lakeward.binding set base_id = relation_id;
-- current_user is a name and compares by collation "C": by the database's own no policy could use an index on role_name.
-- Policies stand in the way of the change; sql/ makes them anew.
do $$
declare
  policy record;
begin
  for policy in
    select p.polname, p.polrelid::regclass as home from pg_policy p
    join pg_class c on c.oid = p.polrelid where c.relnamespace in ('lakeward'::regnamespace, 'lake'::regnamespace)
  loop
    execute format('drop policy %I on %s', policy.polname, policy.home);
  end loop;
end $$;
alter table lakeward.binding alter column role_name type text collate "C";
alter table lakeward.profile alter column role_name type text collate "C";
drop index lakeward.binding_role_name_idx;
create index binding_role_name_idx on lakeward.binding (role_name, base_id, relation_id);
create index binding_base_id_idx on lakeward.binding (base_id);

-- The columns of each reader's view as they were made, and why: what explain shows and what policies ask.
create table lakeward.shown_column (
  binding_id bigint not null references lakeward.binding (id) on delete cascade,
  position integer not null,
  role_name text collate "C" not null,
  profile_id text not null,
  relation_id bigint not null,
  base_id bigint not null,
  name text not null,
  type text not null,
  action text,
  reason text not null,
  primary key (binding_id, position)
);
create index shown_column_role_name_idx on lakeward.shown_column (role_name, relation_id, name);

-- Which readers may search which index: those whose relation shows its texts as they were embedded.
create table lakeward.index_reader (
  index_id bigint not null references lakeward.vector_index (id) on delete cascade,
  binding_id bigint not null references lakeward.binding (id) on delete cascade,
  role_name text collate "C" not null,
  primary key (binding_id, index_id)
);
create index index_reader_index_id_idx on lakeward.index_reader (index_id);
create index index_reader_role_name_idx on lakeward.index_reader (role_name, index_id);

-- 10,000 tombstones shall cost little more than deleting the rows: so there is no foreign key, which would ask for the dataset
-- once a row. The functions that write here hold the dataset locked, and on_dataset deletes what is left of a dataset.
create table lakeward.tombstone (
  id bigint generated always as identity,
  dataset_id bigint not null,
  row_key_column text not null,
  key_value text,
  key_hash bytea not null,
  image jsonb,
  reason text not null default '',
  actor text not null default '',
  profile text,
  request_id text,
  created_at timestamptz not null default clock_timestamp(),
  undone_at timestamptz,
  purged_at timestamptz,
  primary key (dataset_id, id)
);
-- long values uncompressed: a byte scan must be able to find what erasure has to remove
alter table lakeward.tombstone alter column image set storage external;
alter table lakeward.tombstone alter column key_value set storage external;
create unique index tombstone_active_idx on lakeward.tombstone (dataset_id, key_hash, row_key_column)
where undone_at is null;

create table lakeward.erasure (
  id uuid primary key default gen_random_uuid(),
  dataset text not null,
  dataset_id bigint,
  row_key_values text[],
  key_hashes bytea[] not null default '{}',
  keys bigint not null,
  reason text not null default '',
  dry_run boolean not null default false,
  job_id uuid,
  step text not null default '',
  found jsonb not null default '{}',
  receipt jsonb,
  created_by text not null default '',
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index erasure_created_at_idx on lakeward.erasure (created_at desc, id desc);

-- One row per changed field. Partitions are in schema `record`, one a month (lakeward.ensure_partitions). A row update that
-- is journaled may cost 2.5 times the bare one: so there are two indexes and no key, and names compare byte by byte.
create sequence lakeward.journal_id_seq;
create table lakeward.journal (
  id bigint not null default nextval('lakeward.journal_id_seq'),
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  dataset text collate "C",
  entity text collate "C",
  field text,
  old jsonb,
  new jsonb,
  actor text not null default '',
  profile text,
  model text,
  source text not null default '',
  workspace text,
  request_id text,
  transaction xid8 not null default pg_current_xact_id()
) partition by range (at);
create index journal_entity_idx on lakeward.journal (dataset, entity, id);
create index journal_transaction_idx on lakeward.journal (transaction, id);
-- A seal covers the entries with from <= (transaction, id) < to, in that order; the next one begins where it ends. Per entry
-- it holds a salt (16 bytes), the payload's hash (32) and the beginning of the hash of the rest (8): app/journal/seal.py.
create table lakeward.journal_seal (
  id bigint primary key,
  from_transaction xid8 not null,
  from_id bigint not null,
  to_transaction xid8 not null,
  to_id bigint not null,
  entries bigint not null,
  salts bytea not null,
  payloads bytea not null,
  marks bytea not null,
  key_id text not null,
  digest bytea not null,
  sealed_at timestamptz not null default now()
);
alter table lakeward.journal_seal alter column salts set storage external;

create sequence lakeward.audit_entry_id_seq;
create table lakeward.audit_entry (
  id bigint not null default nextval('lakeward.audit_entry_id_seq'),
  at timestamptz not null default clock_timestamp(),
  principal text not null default '',
  login text not null default session_user,
  profile text,
  model text,
  door text not null,
  operation text not null,
  relations text[] not null default '{}',
  arguments_sha256 text,
  rows bigint,
  hits text[],
  duration_ms double precision,
  outcome text not null,
  request_id text,
  -- the one index: every read pays for each
  primary key (at, id)
) partition by range (at);
