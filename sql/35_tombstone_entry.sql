-- The tombstones a role may know of, with the key as its relation shows it: a reader those of the datasets it is bound to as they
-- are, and the key only where it sees the row key as it is. Through a view nothing is told: a filter may have hidden the row.
create or replace view lakeward.tombstone_entry with (security_barrier) as
select t.id, d.name as dataset, t.row_key_column,
  case when steward.asks or s.action is null and s.name is not null then t.key_value end as key,
  case when steward.asks then t.reason end as reason,
  case when steward.asks then t.actor end as actor,
  t.created_at as at, t.undone_at, t.purged_at
from lakeward.tombstone t
join lakeward.dataset d on d.id = t.dataset_id
cross join lateral (
  select count(*) > 0 as asks from lakeward.deployment x where x.steward_role = current_user
) steward
left join lakeward.binding b on b.relation_id = d.id and b.role_name = current_user
left join lakeward.shown_column s on s.binding_id = b.id and s.name = t.row_key_column
where steward.asks or b.id is not null;
