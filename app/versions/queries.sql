-- versions --
-- Owner or steward: the versions of an index, oldest first.
select i.id, i.name, i.table_name, i.state, i.version, i.provider, i.model_name, i.model_version, i.dimensions
from lakeward.vector_index i
where split_part(i.name, '~', 1) = %(name)s
order by i.retired_at nulls last, i.id;

-- lock_family --
-- Whoever changes versions of an index waits here for whoever else does.
select pg_advisory_xact_lock(hashtextextended('lakeward.versions ' || %(name)s, 0));

-- busy --
-- A job that changes the index's versions and is not over.
select j.kind from lakeward.job j
where j.kind in ('swap', 'rollback') and j.subject = %(name)s and j.state in ('queued', 'running')
limit 1;

-- create_shadow --
-- A version under another model beside the live one; its tables, triggers and readers' rights follow the row.
insert into lakeward.vector_index (
  name, relation_id, text_columns, chunk_size, chunk_overlap, provider, model_name, model_version, dimensions, row_key,
  state, version, refresh_policy, refresh_s
)
select i.name || '~' || n.version, i.relation_id, i.text_columns, i.chunk_size, i.chunk_overlap, %(provider)s,
  %(model_name)s, %(model_version)s, %(dimensions)s, i.row_key, 'shadow', n.version, i.refresh_policy, i.refresh_s
from lakeward.vector_index i
cross join lateral (
  select max(v.version) + 1 as version from lakeward.vector_index v where split_part(v.name, '~', 1) = i.name
) n
where i.name = %(name)s;

-- drop_version --
delete from lakeward.vector_index where id = %(id)s and state <> 'live';

-- abandoned --
-- Indexes with a version that is not live yet and whose last swap was cancelled.
select distinct split_part(i.name, '~', 1)
from lakeward.vector_index i
where i.state = 'shadow' and exists (
  select from (
    select j.state from lakeward.job j
    where j.kind = 'swap' and j.subject = split_part(i.name, '~', 1)
    order by j.created_at desc limit 1
  ) last where last.state = 'cancelled'
);

-- drop_abandoned --
-- Also while the job itself, which was told to stop, is not over. One that was measured and kept stays.
delete from lakeward.vector_index i
where i.state = 'shadow' and split_part(i.name, '~', 1) = %(name)s
  and exists (
    select from (
      select j.id, j.state from lakeward.job j
      where j.kind = 'swap' and j.subject = %(name)s
      order by j.created_at desc limit 1
    ) last where last.state = 'cancelled' or last.id = %(job_id)s::uuid
  )
  and not exists (
    select from lakeward.index_gate g where g.index_id = i.id and g.gate ->> 'verdict' = 'not passed'
  );

-- drop_retired --
-- Those that were live before the one that was live last.
delete from lakeward.vector_index
where split_part(name, '~', 1) = %(name)s and state = 'retired' and id <> %(keep)s;

-- set_gate --
insert into lakeward.index_gate (index_id, gate) values (%(id)s, %(gate)s)
on conflict (index_id) do update set gate = excluded.gate;

-- retire --
update lakeward.vector_index set name = name || '~' || version, state = 'retired', retired_at = clock_timestamp()
where id = %(id)s and state = 'live';

-- revive --
-- When it is refreshed is said of the index, not of a version.
update lakeward.vector_index i set name = %(name)s, state = 'live', retired_at = null, refresh_policy = o.refresh_policy,
  refresh_s = o.refresh_s
from lakeward.vector_index o
where i.id = %(id)s and i.state <> 'live' and o.id = %(old)s;

-- move_evals --
-- Eval sets are of the index, not of a version: they ask the one that is live. Their vectors know their model themselves.
update lakeward.eval_set e set index_id = %(new)s where e.index_id = %(old)s returning e.id;

-- forget_truths --
delete from lakeward.eval_truth t using lakeward.eval_query q
where q.id = t.query_id and q.eval_id = any(%(evals)s::bigint[]);

-- graphs --
-- The graphs that the live version is searched by, each with the beams of its readers, and what the other needs for it.
select distinct s.id as index_id, s.name, s.table_name, r.name as source, v.m, v.ef_construction,
  coalesce(p.ef_search, 100) as ef_search, s.dimensions
from lakeward.vector_index i
join lakeward.index_variant v on v.index_id = i.id and v.state = 'ready'
join lakeward.vector_index s on s.id = %(id)s
join lakeward.relation r on r.id = i.relation_id
left join lakeward.index_reader x on x.index_id = i.id
left join lakeward.binding b on b.id = x.binding_id
left join lakeward.profile p on p.id = b.profile_id and p.m = v.m and p.ef_construction = v.ef_construction
where i.name = %(index)s
order by v.m, v.ef_construction, 7;

-- missing_graphs --
-- Whether the live version has a graph that this one has not.
select exists (
  select from lakeward.vector_index i
  join lakeward.index_variant v on v.index_id = i.id and v.state = 'ready'
  where i.name = %(index)s and not exists (
    select from lakeward.index_variant w
    where w.index_id = %(id)s and w.m = v.m and w.ef_construction = v.ef_construction and w.state = 'ready'
  )
);

-- record_export --
select lakeward.append_audit(
  'api', %(operation)s, array[%(relation)s::text], encode(sha256(convert_to(%(arguments)s::jsonb::text, 'UTF8')), 'hex'),
  %(rows)s, null, null, 'ok'
);

-- adapters --
-- By name; keyset by name. With the indexes that have a version under it.
select a.name, a.provider, a.model_name, a.model_version, a.dimensions, a.version, a.trained_on, a.held_out,
  a.created_by, a.created_at, array(
    select distinct split_part(i.name, '~', 1) from lakeward.vector_index i
    where i.provider = a.provider and i.model_name = a.model_name || '+' || a.name
      and i.model_version = a.model_version || '+' || a.version
    order by 1
  ) as used_by
from lakeward.model_adapter a
where (%(name)s::text is null or a.name = %(name)s) and (%(after)s::text is null or a.name > %(after)s)
order by a.name
limit %(limit)s;

-- find_matrix --
select a.provider, a.model_name, a.model_version, a.dimensions, a.matrix
from lakeward.model_adapter a
where a.provider = %(provider)s and a.model_name || '+' || a.name = %(name)s
  and a.model_version || '+' || a.version = %(version)s;

-- register_adapter --
-- The same attempt twice registers it once.
insert into lakeward.model_adapter (
  name, provider, model_name, model_version, dimensions, matrix, version, trained_on, held_out, created_by
) values (
  %(name)s, %(provider)s, %(model_name)s, %(model_version)s, %(dimensions)s, %(matrix)s, %(version)s, %(trained_on)s,
  %(held_out)s, %(created_by)s
)
on conflict (name) do nothing;

-- delete_adapter --
delete from lakeward.model_adapter a where a.name = %(name)s and not exists (
  select from lakeward.vector_index i
  where i.provider = a.provider and i.model_name = a.model_name || '+' || a.name
    and i.model_version = a.model_version || '+' || a.version
);
