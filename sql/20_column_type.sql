-- The Postgres type of a column type of the catalog; null for a word the catalog does not know.
create or replace function lakeward.column_type(word text) returns regtype
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when word in (
      'boolean', 'bigint', 'double precision', 'numeric', 'date', 'time', 'timestamp', 'timestamptz', 'text', 'text[]',
      'jsonb', 'bytea'
    ) then word::regtype
  end
$$;
