-- What a version of an index was judged by before it became live: for the steward, null for everybody else. With the caller's
-- own rights, and no reader has one on the table, so the statement that lists versions may ask whoever sends it.
create or replace function lakeward.gate_of(index_id bigint) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from lakeward.deployment) then
    return null;
  end if;
  return (select g.gate from lakeward.index_gate g where g.index_id = gate_of.index_id);
end $$;
