-- relations --
-- Of the words of a query, those that are relations the scope's role may read, with their columns.
-- What is there to be read says it, not the catalog: the reader's own view, masks included.
select r.name, n.nspname::text as schema_name, array_agg(a.attname::text order by a.attnum) as names,
  array_agg(case format_type(a.atttypid, null)
    when 'time without time zone' then 'time'
    when 'timestamp without time zone' then 'timestamp'
    when 'timestamp with time zone' then 'timestamptz'
    else format_type(a.atttypid, null)
  end order by a.attnum) as types
from lakeward.relation r
left join lakeward.profile p on p.id = %(profile)s
join pg_namespace n on n.nspname = coalesce(p.schema_name, 'lake')
join pg_class c on c.relname = r.name and c.relnamespace = n.oid and c.relkind in ('r', 'v')
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where r.name = any(%(words)s)
group by r.name, n.nspname
order by r.name;

-- sources --
-- Of the words of a query, the relations of the profile (null: the steward's) with what decides which rows and values it
-- shows: readers of one policy see the same. And of the cached ones that are given, those of that policy which no visible
-- change is missing from; the snapshot they are fresh in is the one this statement sees.
with cached as (
  select * from unnest(%(ids)s::bigint[], %(names)s::text[], %(policies)s::text[], %(snapshots)s::text[]) c(id, name, policy, snapshot)
), source as (
  select r.name, d.name as dataset, c.oid::bigint as oid,
    case when %(profile)s::text is null then 'steward ' || c.oid else b.made_of end as policy,
    exists (select from lakeward.cache_pin p where p.dataset_id = d.id) as pinned
  from lakeward.relation r
  left join lakeward.safe_view_base v on v.view_id = r.id
  join lakeward.dataset d on d.id = coalesce(v.base_id, r.id)
  left join lakeward.profile p on p.id = %(profile)s
  left join lakeward.binding b on b.profile_id = p.id and b.relation_id = r.id
  left join pg_namespace n on n.nspname = coalesce(p.schema_name, 'lake')
  left join pg_class c on c.relname = r.name and c.relnamespace = n.oid and c.relkind in ('r', 'v')
  where r.name = any(%(words)s)
)
select s.*, pg_current_snapshot()::text as snapshot,
  array(
    select c.id from cached c
    where c.name = s.name and c.policy = s.policy and not exists (
      select from lakeward.journal j
      where j.dataset = s.dataset collate "C" and j.transaction >= pg_snapshot_xmin(c.snapshot::pg_snapshot)
        and not pg_visible_in_snapshot(j.transaction, c.snapshot::pg_snapshot)
    )
  ) as fresh
from source s;

-- stale --
-- Of these, those that a visible change of their dataset is missing from.
select c.id
from unnest(%(ids)s::bigint[], %(datasets)s::text[], %(snapshots)s::text[]) c(id, dataset, snapshot)
where not exists (select from lakeward.dataset d where d.name = c.dataset) or exists (
  select from lakeward.journal j
  where j.dataset = c.dataset collate "C" and j.transaction >= pg_snapshot_xmin(c.snapshot::pg_snapshot)
    and not pg_visible_in_snapshot(j.transaction, c.snapshot::pg_snapshot)
);

-- pin --
insert into lakeward.cache_pin (dataset_id) select d.id from lakeward.dataset d where d.name = %(dataset)s
on conflict (dataset_id) do update set pinned_at = now()
returning dataset_id as id;

-- unpin --
delete from lakeward.cache_pin p using lakeward.dataset d where d.id = p.dataset_id and d.name = %(dataset)s
returning p.dataset_id as id;

-- find_dataset --
select d.id from lakeward.dataset d where d.name = %(dataset)s;

-- stale_in_export --
-- Of the cached relations ($1, JSON), those that a change is missing from which this transaction sees.
select c.name
from jsonb_to_recordset($1::jsonb) c(name text, dataset text, snapshot text)
where exists (
  select from lakeward.journal j
  where j.dataset = c.dataset collate "C" and j.transaction >= pg_snapshot_xmin(c.snapshot::pg_snapshot)
    and not pg_visible_in_snapshot(j.transaction, c.snapshot::pg_snapshot)
);

-- exported --
-- What the names of relations ($1, JSON) stand for, and the transaction's snapshot.
select r ->> 1 as name, to_regclass(format('%I.%I', r ->> 0, r ->> 1))::oid::bigint as oid, pg_current_snapshot()::text as snapshot
from jsonb_array_elements($1::jsonb) r;

-- bound_in_bucket --
-- Relations that the profile is bound to and whose rows are in this bucket.
select r.name, d.name as dataset, p.role_name
from lakeward.profile p
join lakeward.binding g on g.profile_id = p.id
join lakeward.relation r on r.id = g.relation_id
join lakeward.dataset d on d.id = g.base_id
join lakeward.bucket_dataset b on b.dataset_id = d.id
where p.id = %(profile)s and b.bucket = %(bucket)s
order by r.name;
