-- create_eval --
insert into lakeward.eval_set (name, index_id, created_by) values (%(name)s, %(index_id)s, %(created_by)s)
on conflict (name) do nothing
returning id;

-- add_queries --
insert into lakeward.eval_query (eval_id, question, vector, relevant, model)
select %(eval_id)s, q ->> 'text', (select array_agg(v::real order by n) from jsonb_array_elements_text(q -> 'vector') with ordinality x (v, n)),
  coalesce((select array_agg(r order by n) from jsonb_array_elements_text(q -> 'relevant') with ordinality x (r, n)), '{}'),
  case when q ? 'vector' then %(model)s end
from jsonb_array_elements(%(queries)s) with ordinality a (q, place)
order by place;

-- made --
select q.chunk_id, q.question from lakeward.eval_query q where q.eval_id = %(eval_id)s;

-- replace_queries --
with gone as (delete from lakeward.eval_query where eval_id = %(eval_id)s)
insert into lakeward.eval_query (eval_id, chunk_id, question)
select %(eval_id)s, m.chunk_id, m.question
from unnest(%(chunk_ids)s::bigint[], %(questions)s::text[]) with ordinality m (chunk_id, question, place)
order by m.place;

-- asked --
-- Of the questions that were asked the newest, the oldest of them first.
select a.question from (
  select q.id, q.question from lakeward.eval_query q
  join lakeward.eval_set e on e.id = q.eval_id
  where e.name = %(log)s
  order by q.id desc limit %(count)s
) a
order by a.id;

-- evals --
-- By name; keyset by name.
select e.name, i.name as index, e.created_by, e.created_at, count(q.id) as queries,
  count(q.chunk_id) as generated, count(q.id) filter (where q.relevant <> '{}') as judged,
  count(q.id) || '/' || coalesce(max(q.id), 0) || '/' || coalesce(sum(q.id), 0) as version
from lakeward.eval_set e
join lakeward.vector_index i on i.id = e.index_id
left join lakeward.eval_query q on q.eval_id = e.id
where (%(name)s::text is null or e.name = %(name)s)
  and (%(index)s::text is null or i.name = %(index)s)
  and (%(after)s::text is null or e.name > %(after)s)
group by e.id, i.name
order by e.name
limit %(limit)s;

-- eval_id --
select e.id, i.name as index from lakeward.eval_set e join lakeward.vector_index i on i.id = e.index_id
where e.name = %(name)s;

-- lock_eval --
select e.id from lakeward.eval_set e where e.name = %(name)s for update;

-- delete_eval --
delete from lakeward.eval_set where name = %(name)s;

-- questions --
-- Owner. In a fixed order. The set's version changes when a question comes or goes: ids are given once, and what is asked by
-- one is never changed.
select q.id, q.chunk_id, q.question, q.vector, q.relevant, q.model,
  count(*) over () || '/' || max(q.id) over () || '/' || sum(q.id) over () as set_version
from lakeward.eval_query q
where q.eval_id = %(eval_id)s order by q.id;

-- truths --
-- Owner. What is known of this version, of at least so many neighbours.
select t.query_id, t.distances from lakeward.eval_truth t
join lakeward.eval_query q on q.id = t.query_id
where q.eval_id = %(eval_id)s and t.version = %(version)s;

-- keep_truths --
-- Owner. A query that was deleted meanwhile is left out.
insert into lakeward.eval_truth (query_id, version, chunk_ids, distances)
select t.query_id, %(version)s, t.chunk_ids, t.distances
from jsonb_to_recordset(%(truths)s) t (query_id bigint, chunk_ids bigint[], distances real[])
join lakeward.eval_query q on q.id = t.query_id
on conflict (query_id) do update set
  version = excluded.version, chunk_ids = excluded.chunk_ids, distances = excluded.distances;

-- append_trial --
-- Owner.
insert into lakeward.trial (
  job_id, kind, index_id, index_name, eval_name, model_name, model_version, version, vectors, m, ef_construction, type,
  ef_search, k, queries, recall, recall_low, recall_high, p50_us, p95_us, p99_us, build_s, bytes, measured_by, eval_version
) values (
  %(job_id)s::uuid, %(kind)s, %(index_id)s, %(index_name)s, %(eval_name)s, %(model_name)s, %(model_version)s, %(version)s,
  %(vectors)s, %(m)s, %(ef_construction)s, %(type)s, %(ef_search)s, %(k)s, %(queries)s, %(recall)s, %(recall_low)s,
  %(recall_high)s, %(p50_us)s, %(p95_us)s, %(p99_us)s, %(build_s)s, %(bytes)s, %(measured_by)s, %(eval_version)s
)
returning id;

-- measurements --
-- The journal of an index by its name, whatever became of it, newest first; keyset by id. `present`: only what was
-- measured under the live version's model, by this index and not by one of that name which was deleted before; and of an
-- eval set that is there only what was asked as it would be now.
with asked as (
  select e.name, count(q.id) || '/' || coalesce(max(q.id), 0) || '/' || coalesce(sum(q.id), 0) as version
  from lakeward.eval_set e
  left join lakeward.eval_query q on q.eval_id = e.id
  where %(present)s and e.name in (select d.eval_name from lakeward.trial d where d.index_name = %(index)s)
  group by e.id
)
select t.id, t.job_id::text, t.kind, t.eval_name as eval, t.eval_version,
  jsonb_build_object('m', t.m, 'ef_construction', t.ef_construction, 'type', t.type, 'ef_search', t.ef_search) as arm,
  t.k, t.queries, t.vectors, t.model_name, t.model_version, t.recall, t.recall_low, t.recall_high, t.p50_us, t.p95_us,
  t.p99_us, t.build_s, t.bytes, t.measured_at
from lakeward.trial t
left join asked a on a.name = t.eval_name
where t.index_name = %(index)s
  and (%(index_id)s::bigint is null or t.index_id = %(index_id)s)
  and (not %(present)s or exists (
    select from lakeward.vector_index i
    -- as long as it is there, the first version is the oldest; afterwards nothing tells how old the index is
    left join lakeward.vector_index f on split_part(f.name, '~', 1) = i.name and f.version = 1
    where i.name = %(index)s and i.model_name = t.model_name and i.model_version = t.model_version
      and (f.id is null or t.index_id >= f.id)
  ) and t.eval_version = coalesce(a.version, t.eval_version))
  and (%(eval)s::text is null or t.eval_name = %(eval)s)
  and (%(k)s::integer is null or t.k = %(k)s)
  and (%(job_id)s::uuid is null or t.job_id = %(job_id)s::uuid)
  and (%(before)s::bigint is null or t.id < %(before)s)
order by t.id desc
limit %(limit)s;

-- was_measured --
select exists (
  select from lakeward.trial t
  where t.index_name = %(index)s and (%(eval)s::text is null or t.eval_name = %(eval)s)
);

-- reader --
-- Whether a profile is bound to the relation that an index is over, and whether it may search the index.
select r.name as source, b.id is not null as bound, x.index_id is not null as searches
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
left join lakeward.binding b on b.relation_id = i.relation_id and b.profile_id = %(profile)s
left join lakeward.index_reader x on x.binding_id = b.id and x.index_id = i.id
where i.id = %(index_id)s;

-- tuning --
-- What an autotune was to reach, and what it chose; no row for other jobs.
select (j.args ->> 'target_recall')::double precision as target,
  case when (j.result ->> 'reached')::boolean then j.result -> 'config' end as chosen
from lakeward.job j
where j.id = %(job_id)s::uuid and j.kind = 'autotune';

-- copies --
-- Tables of trials: lakeward's own, by the job's id.
select c.relname::text from pg_class c
where c.relnamespace = 'vec'::regnamespace and c.relkind = 'r' and c.relname ~ '^_trial_[0-9a-f]{32}$';

-- cache_stats --
-- The caller's own part of indexes and profiles; keyset by both. Sizes and counters are Postgres' own. A profile that searches by
-- Lance has no graph here, though another profile may have one of the same numbers.
select i.name as index, r.name as source, p.id as profile, p.vector_backend as backend,
  jsonb_build_object('m', p.m, 'ef_construction', p.ef_construction, 'ef_search', p.ef_search) as config, v.state,
  coalesce(pg_table_size(to_regclass(format('vec.%%I', i.table_name))), 0) as chunk_bytes,
  coalesce(pg_table_size(to_regclass(format('vec.%%I', i.table_name || '_text'))), 0) as text_bytes,
  case when p.vector_backend = 'pgvector' then coalesce(pg_relation_size(hnsw.oid), 0) end as variant_bytes,
  case when %(admin)s then io.idx_blks_hit end as blocks_hit,
  case when %(admin)s then io.idx_blks_read end as blocks_read,
  case when %(admin)s then io.idx_blks_hit::double precision / nullif(io.idx_blks_hit + io.idx_blks_read, 0) end as hit_ratio,
  case when %(admin)s then used.idx_scan end as scans,
  case when %(admin)s then used.last_idx_scan end as last_used_at
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
join lakeward.index_reader x on x.index_id = i.id
join lakeward.binding b on b.id = x.binding_id
join lakeward.profile p on p.id = b.profile_id
left join lakeward.index_variant v on v.index_id = i.id and v.m = p.m and v.ef_construction = p.ef_construction
  and p.vector_backend = 'pgvector'
left join lateral (select to_regclass('vec.' || quote_ident(i.table_name || '_v' || v.id)) as oid) hnsw on true
left join pg_statio_all_indexes io on io.indexrelid = hnsw.oid
left join pg_stat_all_indexes used on used.indexrelid = hnsw.oid
where i.state = 'live' and (%(after_index)s::text is null or (i.name, p.id) > (%(after_index)s, %(after_profile)s))
order by i.name, p.id
limit %(limit)s;

-- shared_buffers --
select setting::bigint * 8192 from pg_settings where name = 'shared_buffers';
