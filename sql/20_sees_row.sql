-- Whether a relation of the caller's shows the row with this key. It runs with the caller's rights, and asks the caller's
-- own view: what it does not show, this does not either. A text that is no value of the key's type is no row's.
create or replace function lakeward.sees_row(
  schema_name text, relation text, row_key text, type text, entity text
) returns boolean
language plpgsql stable cost 10000 set search_path = pg_catalog, pg_temp as $$
declare
  found boolean;
begin
  if not pg_input_is_valid(entity, type) then
    return false;
  end if;
  execute format('select exists (select from %I.%I where %I = $1::%s)', schema_name, relation, row_key, type::regtype)
  into found using entity;
  return found;
end $$;
