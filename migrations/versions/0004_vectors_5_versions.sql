-- An index has versions, each a row with tables of its own under one model. The live one has the name; another is called
-- <name>~<version>, which no request can name an index by. `gate` is what was measured before it became live.
alter table lakeward.vector_index add column state text not null default 'live';
alter table lakeward.vector_index add column version integer not null default 1;
alter table lakeward.vector_index add column gate jsonb;
alter table lakeward.vector_index add column retired_at timestamptz;
alter table lakeward.vector_index add constraint vector_index_state_check check (state in ('live', 'shadow', 'retired'));
alter table lakeward.vector_index add constraint vector_index_live_name_check check ((state = 'live') = (strpos(name, '~') = 0));
create index vector_index_family_idx on lakeward.vector_index (split_part(name, '~', 1));

-- A linear adapter over an embedding model: what the model says, times `matrix` (float32, little-endian, dimensions squared,
-- by rows). `version` is a hash of it.
create table lakeward.model_adapter (
  id bigint generated always as identity primary key,
  name text not null unique,
  provider text not null,
  model_name text not null,
  model_version text not null,
  dimensions integer not null,
  matrix bytea not null,
  version text not null,
  trained_on integer not null,
  held_out jsonb not null default '{}',
  created_by text not null default '',
  created_at timestamptz not null default now(),
  constraint model_adapter_dimensions_check check (dimensions between 1 and 4000)
);
