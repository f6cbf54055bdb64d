-- How sensitive a word is, as a number: what is above a role's clearance is redacted for it. Unclassified is above all.
create or replace function lakeward.sensitivity_level(word text) returns integer
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_position(array['public', 'internal', 'confidential', 'restricted'], word), 9)
$$;
