-- indexes --
-- The indexes the scope's role may see, by name; keyset by name.
select i.id, i.name, r.name as source, i.row_key, i.text_columns, i.chunk_size, i.chunk_overlap, i.provider,
  i.model_name, i.model_version, i.dimensions, i.created_at, i.last_embedded_at, i.table_name,
  i.refresh_policy, i.refresh_s, format_type(a.atttypid, null) as row_key_type
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
-- without its table it is being deleted
join pg_attribute a on a.attrelid = to_regclass(format('vec.%%I', i.table_name)) and a.attname = 'row_key'
where (i.state = 'live' or i.name = %(name)s) and (%(name)s::text is null or i.name = %(name)s)
  and (%(source)s::text is null or r.name = %(source)s)
  and (%(model)s::text is null or i.model_name = %(model)s)
  and (%(after)s::text is null or i.name > %(after)s)
order by i.name
limit %(limit)s;

-- variants --
select v.m, v.ef_construction, v.state, v.build_ms,
  coalesce(pg_relation_size(to_regclass(format('vec.%%I', i.table_name || '_v' || v.id))), 0) as bytes
from lakeward.index_variant v join lakeward.vector_index i on i.id = v.index_id
where i.id = %(index_id)s
order by v.m, v.ef_construction;

-- index_versions --
-- The versions of an index that the scope's role may see, newest first: a reader sees the live one, and nothing of the gate.
select i.version, i.state, i.provider, i.model_name, i.model_version, i.dimensions, i.created_at, i.retired_at,
  lakeward.gate_of(i.id) as gate, i.table_name
from lakeward.vector_index i
where split_part(i.name, '~', 1) = split_part(%(name)s, '~', 1)
order by i.version desc;

-- create_index --
-- Tables, triggers and rights follow the row (sql/30_on_vector_index.sql).
insert into lakeward.vector_index (
  name, relation_id, text_columns, chunk_size, chunk_overlap, provider, model_name, model_version, dimensions, row_key
) values (
  %(name)s, %(relation_id)s, %(text_columns)s, %(chunk_size)s, %(chunk_overlap)s, %(provider)s, %(model_name)s,
  %(model_version)s, %(dimensions)s, %(row_key)s
);

-- set_refresh_policy --
update lakeward.vector_index set refresh_policy = coalesce(%(policy)s, refresh_policy), refresh_s = coalesce(%(seconds)s, refresh_s)
where name = %(name)s and num_nonnulls(%(policy)s::text, %(seconds)s::integer) > 0;

-- lock_versions --
-- As app/versions does it: no version is begun of an index that is being deleted.
select pg_advisory_xact_lock(hashtextextended('lakeward.versions ' || split_part(%(name)s, '~', 1), 0));

-- delete_index --
-- With all its versions; of a version that is not live, it alone.
delete from lakeward.vector_index where name = %(name)s or split_part(name, '~', 1) = %(name)s;

-- drop_idle_triggers --
-- Owner or steward: what deleted indexes left on their datasets; how many datasets are too busy for it.
select lakeward.drop_idle_triggers();

-- refresh_staleness --
-- After embedding: a dataset is fresh when none of its own indexes has pending rows left. A view's index does not count:
-- who reads the dataset would learn from it when something changed that is hidden from it.
update lakeward.dataset d set last_embedded_at = i.last_embedded_at,
  embedding_stale_since = case when %(fresh)s then null else coalesce(d.embedding_stale_since, now()) end
from lakeward.vector_index i
where i.name = %(name)s and d.id = i.relation_id and i.state = 'live';

-- lock_dataset --
-- First of all: a load has the dataset's row before it makes the dataset stale, and whoever had that lock before this one
-- would wait for the load, and the load for it.
select d.id from lakeward.vector_index i
join lakeward.dataset d on d.id = i.relation_id
where i.name = %(name)s for no key update of d;

-- lock_staleness --
-- Whether nobody else is making the index's relation stale, or calling it fresh, until this transaction ends.
select pg_try_advisory_xact_lock(hashtextextended('lakeward.stale', i.relation_id))
from lakeward.vector_index i where i.name = %(name)s;

-- set_embedded --
update lakeward.vector_index set last_embedded_at = now() where name = %(name)s;

-- sibling_indexes --
-- The tables of all indexes over the same relation that are searched, itself included.
select s.table_name from lakeward.vector_index i
join lakeward.vector_index s on s.relation_id = i.relation_id and s.state = 'live'
where i.name = %(name)s;

-- route --
-- What a search as this profile needs; no row when the index is not there or the profile is not bound to its relation.
select i.name, i.table_name, r.name as source, i.provider, i.model_name, i.model_version, i.dimensions, i.id as index_id,
  b.id as binding_id, p.ef_search, p.vector_backend, v.id as variant_id, coalesce(v.measured, '{}') as measured,
  i.lance, i.last_embedded_at, i.text_columns, '' as base_table, i.row_key,
  -- none while the index is being deleted: its row is still in this statement's snapshot, its table is not there any more
  coalesce((
    select greatest(c.reltuples, 0)::bigint from pg_class c
    where c.oid = to_regclass(format('vec.%%I', i.table_name))
  ), 0) as chunks,
  (
    select coalesce(
      jsonb_agg(jsonb_build_object('name', s.name, 'type', s.type, 'column', 'f' || s.position) order by s.position), '[]'
    )
    from lakeward.shown_column s where s.binding_id = b.id
  ) as fields
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
join lakeward.index_reader x on x.index_id = i.id
join lakeward.binding b on b.id = x.binding_id
join lakeward.profile p on p.id = b.profile_id
left join lakeward.index_variant v
  on v.index_id = i.id and v.m = p.m and v.ef_construction = p.ef_construction and v.state = 'ready'
where i.name = %(index)s and p.id = %(profile)s;

-- admin_route --
-- The same for an admin, who sees the dataset's own rows, by the variant with the most links that is ready.
select i.name, i.table_name, r.name as source, i.provider, i.model_name, i.model_version, i.dimensions, i.id as index_id,
  null::bigint as binding_id, 100 as ef_search, 'pgvector' as vector_backend, v.id as variant_id,
  coalesce(v.measured, '{}') as measured, i.lance, i.last_embedded_at, i.text_columns, base.table_name as base_table, i.row_key,
  coalesce((
    select greatest(c.reltuples, 0)::bigint from pg_class c
    where c.oid = to_regclass(format('vec.%%I', i.table_name))
  ), 0) as chunks,
  (
    select coalesce(
      jsonb_agg(jsonb_build_object('name', c.name, 'type', c.type, 'column', 'f' || c.position) order by c.position), '[]'
    )
    from lakeward.dataset_column c where c.dataset_id = base.base_id
  ) as fields
from lakeward.vector_index i
join lakeward.relation r on r.id = i.relation_id
cross join lateral lakeward.find_base(i.relation_id) base
left join lateral (
  select w.id, w.measured from lakeward.index_variant w
  where w.index_id = i.id and w.state = 'ready' order by w.m desc, w.ef_construction desc limit 1
) v on true
where i.name = %(index)s;

-- find_source --
-- As the steward: the relation an index is over, for the refusal's message, and whether the profile is bound to it.
select r.name, exists (
  select from lakeward.binding b where b.relation_id = i.relation_id and b.profile_id = %(profile)s
) as bound
from lakeward.vector_index i join lakeward.relation r on r.id = i.relation_id
where i.name = %(index)s and i.state = 'live';

-- bound_relations --
select r.name from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
where b.profile_id = %(profile)s order by r.name;

-- activation_targets --
-- Every index over a relation of the profile that it may search, with the variant the profile asks for.
select i.id as index_id, i.name, i.table_name, r.name as source, p.m, p.ef_construction, p.ef_search, i.dimensions
from lakeward.binding b
join lakeward.profile p on p.id = b.profile_id
join lakeward.relation r on r.id = b.relation_id
join lakeward.index_reader x on x.binding_id = b.id
join lakeward.vector_index i on i.id = x.index_id and i.state = 'live'
where p.id = %(profile)s
order by r.name, i.name;

-- claim_variant --
insert into lakeward.index_variant (index_id, m, ef_construction)
values (%(index_id)s, %(m)s, %(ef_construction)s)
on conflict (index_id, m, ef_construction) do update set
  -- wanted again, whoever is about to drop it
  state = case when index_variant.state = 'failed' then 'building' else index_variant.state end
returning id;

-- variant_is_ready --
select v.state = 'ready' and exists (
  select from pg_index x where x.indexrelid = to_regclass(%(hnsw)s) and x.indisvalid
) from lakeward.index_variant v where v.id = %(variant_id)s;

-- retire_unasked --
-- Variants of these indexes that no profile asks for: no search takes one that has failed.
update lakeward.index_variant v set state = 'failed', measured = '{}'
from lakeward.vector_index i
where v.index_id = any(%(ids)s) and i.id = v.index_id and not exists (
  select from lakeward.binding b join lakeward.profile p on p.id = b.profile_id
  where b.relation_id = i.relation_id and p.m = v.m and p.ef_construction = v.ef_construction
)
returning v.id, i.table_name;

-- forget_unasked --
-- Unless a profile has asked for it meanwhile and it is being built.
delete from lakeward.index_variant where id = %(id)s and state = 'failed';

-- set_variant --
-- what was measured was of the graph before
update lakeward.index_variant set state = %(state)s, build_ms = %(build_ms)s, measured = '{}' where id = %(variant_id)s;

-- set_measured --
update lakeward.index_variant set measured = measured || jsonb_build_object(%(ef_search)s::text, %(recall)s::jsonb)
where id = %(variant_id)s;

-- source --
-- The relation an index shall be over, locked so that neither it nor its dataset changes meanwhile.
select r.id, r.kind, r.name, base.row_key, base.base_id,
  to_regclass(format('lake.%%I', base.table_name)) is not null as has_table,
  exists (select from lakeward.bucket_dataset b where b.dataset_id = base.base_id) as in_bucket,
  (select c.type from lakeward.dataset_column c where c.dataset_id = base.base_id and c.name = base.row_key) as row_key_type
from lakeward.relation r
cross join lateral lakeward.find_base(r.id) base
join lakeward.dataset d on d.id = base.base_id
where r.name = %(name)s
for no key update of r, d;

-- source_columns --
-- The columns that the relation shows an admin, which are those that can be indexed.
select c.name from lakeward.plan_columns(%(relation_id)s, 'restricted', 'null', null, null) c where c.shown;

-- backend --
select vector_backend from lakeward.profile where id = %(profile)s;

-- set_lance_measured --
-- Only while that state of the copy counts, by ef_search.
update lakeward.vector_index set lance = jsonb_set(
  lance, '{measured}', coalesce(lance -> 'measured', '{}') || jsonb_build_object(%(ef_search)s::text, %(recall)s::jsonb)
)
where id = %(index_id)s and lance is not null;
