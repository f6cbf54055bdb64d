-- The column type of a redacted value: null when the action does not fit the type. Without an action the type stays.
-- What fits has one text in both engines: a float has many, a time of day or a truth value hides nothing when it is masked.
-- The same table is in app/views/redaction.py; a test holds them together.
create or replace function lakeward.redacted_type(type text, action text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when lakeward.column_type(type) is null then null
    when coalesce(action, 'none') in ('none', 'null') then type
    when action in ('hash', 'mask', 'mask_alphanum') and type in ('text', 'bigint', 'numeric', 'date') then 'text'
    when action in ('truncate_to_year', 'truncate_to_month') and type in ('date', 'timestamp', 'timestamptz') then type
  end
$$;
