-- The journal as its reader may see it. The steward, the owner and a superuser see all of it. A profile sees entries about
-- rows of the relations it is bound to, under the relation's own name, and of them only what the relation would show:
--   - the row key is a column that the relation shows as it is, and the row is there now, for this reader: of a row that
--     was deleted, tombstoned or is filtered out there is no history
--   - the field is shown as it is; of an inserted row only such fields are left
--   - a view with a row filter has no history: a value may be from a time when the filter hid the row
--   - the row's present life only: not what had its key before it was deleted, was given another key, or came with a file
--     that replaced the dataset; nor what a dataset of the same name held that is gone
--   - deletions, loads, tombstones, erasures and what an admin noted are not of the reader's relation
--   - who acted, for whom and with which model: of its own profile's acts alone
create or replace view lakeward.journal_entry with (security_barrier) as
select j.id, j.at, j.kind, j.dataset, j.entity, j.field, j.old, j.new, j.actor, j.profile, j.model, j.source, j.workspace,
  j.request_id, j.transaction
from lakeward.journal j
where (
  select current_user in (d.steward_role, d.owner_role) or u.rolsuper
  from lakeward.deployment d, pg_roles u where u.rolname = current_user
)
union all
select j.id, j.at, j.kind, shown.relation collate "C", j.entity, j.field,
  case when j.field is not null then j.old end,
  case when j.field is not null then j.new else (
    select jsonb_object_agg(f.key, f.value) from jsonb_each(j.new) f where f.key = any(shown.fields)
  ) end,
  case when own.acted then j.actor end, case when own.acted then j.profile end, case when own.acted then j.model end,
  j.source, case when own.acted then j.workspace end, case when own.acted then j.request_id end, j.transaction
from (
  select p.id as profile_id, p.schema_name, r.name as relation, d.name as dataset, d.row_key, d.created_at, k.type,
    (
      select array_agg(c.name) from lakeward.shown_column c where c.binding_id = b.id and c.action is null
    ) as fields,
    coalesce((
      select max(l.id) from lakeward.journal l
      where l.dataset = d.name and l.entity is null and l.kind = 'load' and l.new ->> 'disposition' = 'replace'
    ), 0) as replaced
  from lakeward.binding b
  join lakeward.profile p on p.id = b.profile_id
  join lakeward.relation r on r.id = b.relation_id
  join lakeward.dataset d on d.id = b.base_id
  join lakeward.shown_column k on k.binding_id = b.id and k.name = d.row_key and k.action is null
  left join lakeward.safe_view_base v on v.view_id = b.relation_id
  where b.role_name = current_user and v.row_filter is null
  offset 0 -- noqa: AM09
) shown
join lakeward.journal j on j.dataset = shown.dataset and j.id > shown.replaced and j.at >= shown.created_at
cross join lateral (select j.profile = shown.profile_id as acted) own
where j.entity is not null
  and (j.kind = 'insert' or j.kind in ('update', 'rekey') and j.field = any(shown.fields))
  and not exists (
    select from lakeward.journal gone
    where gone.dataset = j.dataset and gone.entity = j.entity and gone.id >= j.id
      and (gone.kind = 'delete' or gone.kind = 'rekey' and gone.old #>> '{}' = gone.entity)
  )
  and lakeward.sees_row(shown.schema_name, shown.relation, shown.row_key, shown.type, j.entity);
comment on view lakeward.journal_entry is
'The journal as its reader may see it: all of it for the steward; for a profile, entries about rows that its relations show now, in fields they show as they are, since the row came. Views with a row filter have no history. Who acted is shown of the profile''s own acts.';
