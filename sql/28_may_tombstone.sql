-- Whether the caller may tombstone rows of a dataset: an admin, or a reader whose access role may write, of a dataset that it is
-- bound to as it is and whose row key it sees as it is. A refusal says which of these is missing, and nothing about rows.
create or replace function lakeward.may_tombstone(dataset text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  -- in a definer function current_user is the owner; this is the role of who calls
  caller text := current_setting('role', true);
  refusal text;
begin
  if caller is not distinct from lakeward.role_of('steward') then
    return;
  end if;
  select case
    when b.id is null then format('this profile is not bound to a dataset %L', left(may_tombstone.dataset, 60))
    when not a.can_write then format('the access role %s may not write', a.name)
    when s.name is null or s.action is not null then format('this profile does not see the row key of %L as it is', may_tombstone.dataset)
  end into refusal
  from (select) one
  left join lakeward.profile p on p.role_name = caller
  left join lakeward.access_role a on a.name = p.access_role
  left join lakeward.dataset d on d.name = may_tombstone.dataset
  left join lakeward.binding b on b.profile_id = p.id and b.relation_id = d.id
  left join lakeward.shown_column s on s.binding_id = b.id and s.name = d.row_key;
  if refusal is not null then
    raise insufficient_privilege using message = refusal;
  end if;
end $$;
