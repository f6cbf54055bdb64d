-- targets --
-- The indexes to refresh by this name: of a relation, for a dataset those of its views too; else the index of that name.
-- `job_id` is a job that has not begun, and will find all that waits now; `busy` says that one has.
with named as (select r.id from lakeward.relation r where r.name = %(name)s)
select i.name as index, p.waiting + p.rejected as rows,
  coalesce((select greatest(c.reltuples, 0)::bigint from pg_class c where c.oid = to_regclass(format('vec.%%I', i.table_name))), 0) as chunks,
  (
    select j.id::text from lakeward.job j
    where j.kind = 'index' and j.subject = i.name and j.state = 'queued' and j.args ->> 'retry' = 'true'
    order by j.created_at limit 1
  ) as job_id,
  exists (
    select from lakeward.job j where j.kind = 'index' and j.subject = i.name and j.state in ('queued', 'running')
  ) as busy
from lakeward.vector_index i
cross join lateral lakeward.find_base(i.relation_id) base
cross join lateral lakeward.pending_rows(i.table_name) p
where i.state = 'live' and case
  when exists (select from named) then i.relation_id in (select id from named) or base.base_id in (select id from named)
  else i.name = %(name)s
end
order by i.name;

-- relation_exists --
select exists (select from lakeward.relation r where r.name = %(name)s);

-- stale --
-- As the steward: indexes with rows that have no current chunks, by name; keyset by name.
select i.name as index, r.name as source, p.waiting + p.rejected as stale_rows, p.rejected as rejected_rows,
  p.since as stale_since, i.last_embedded_at, coalesce(i.refresh_policy, d.embedding_refresh_policy) as refresh_policy,
  coalesce(i.refresh_s, d.embedding_refresh_s) as refresh_s
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
cross join lateral lakeward.find_base(i.relation_id) base
join lakeward.dataset d on d.id = base.base_id
cross join lateral lakeward.pending_rows(i.table_name) p
where i.state = 'live' and p.waiting + p.rejected > 0 and (%(after)s::text is null or i.name > %(after)s)
order by i.name
limit %(limit)s;

-- stale_own --
-- The same as a reader sees it: what is behind a view is not told, so its dataset's policy is not.
select i.name as index, r.name as source, p.waiting as stale_rows, null::bigint as rejected_rows,
  p.since as stale_since, i.last_embedded_at, coalesce(i.refresh_policy, d.embedding_refresh_policy) as refresh_policy,
  coalesce(i.refresh_s, d.embedding_refresh_s) as refresh_s
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
left join lakeward.dataset d on d.id = i.relation_id
cross join lateral lakeward.pending_rows(i.table_name) p
where i.state = 'live' and p.waiting > 0 and (%(after)s::text is null or i.name > %(after)s)
order by i.name
limit %(limit)s;

-- due --
-- Indexes with rows that wait and whose policy says that it is time. After a job has ended, well or not, the next waits for
-- the interval, or for a minute: a model that is away is not asked all the time.
select i.name
from lakeward.vector_index i
cross join lateral lakeward.find_base(i.relation_id) base
join lakeward.dataset d on d.id = base.base_id
cross join lateral (
  select coalesce(i.refresh_policy, d.embedding_refresh_policy) as policy,
    make_interval(secs => coalesce(i.refresh_s, d.embedding_refresh_s)) as every
) o
where i.state = 'live' and o.policy <> 'manual'
  and (o.policy = 'on_append' or coalesce(i.last_embedded_at, i.created_at) <= now() - o.every)
  and not exists (
    select from lakeward.job j
    where j.kind = 'index' and j.subject = i.name and (
      j.state in ('queued', 'running')
      or j.finished_at > now() - case o.policy when 'scheduled' then o.every else interval '1 minute' end
    )
  )
  and (lakeward.pending_rows(i.table_name)).waiting > 0
order by i.name;

-- called_stale --
-- One index of each dataset that is called stale though nothing waits: the job that embedded the last row met a writer. With
-- the policy manual nothing happens by itself, and the next refresh says so.
select distinct on (d.id) i.name
from lakeward.dataset d
join lakeward.vector_index i on i.relation_id = d.id and i.state = 'live'
where d.embedding_refresh_policy <> 'manual' and d.embedding_stale_since < now() - interval '5 seconds'
  and not exists (
    select from lakeward.vector_index s cross join lateral lakeward.pending_rows(s.table_name) p
    where s.relation_id = d.id and s.state = 'live' and p.waiting + p.rejected > 0
  )
order by d.id, i.name;
