-- profiles --
-- The profiles the scope's role may see, by id, keyset by id; one when `id` is given.
select p.id, p.description, p.ollama_name, p.embed_model, p.access_role, p.vector_backend, p.role_name, p.schema_name,
  p.created_at, p.created_by,
  jsonb_build_object('m', p.m, 'ef_construction', p.ef_construction, 'ef_search', p.ef_search) as hnsw_config,
  array(
    select r.name from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
    where b.profile_id = p.id order by r.name
  ) as bound_datasets
from lakeward.profile p
where (%(id)s::text is null or p.id = %(id)s) and (%(after)s::text is null or p.id > %(after)s)
order by p.id
limit %(limit)s;

-- create_profile --
-- Role and schema follow the row (sql/30_on_profile.sql).
insert into lakeward.profile (
  id, description, ollama_name, m, ef_construction, ef_search, embed_model, access_role, vector_backend,
  role_name, schema_name, created_by
)
select %(id)s, %(description)s, %(ollama_name)s, %(m)s, %(ef_construction)s, %(ef_search)s, %(embed_model)s,
  %(access_role)s, %(vector_backend)s, d.profile_prefix || %(id)s, 'p_' || %(id)s, %(created_by)s
from lakeward.deployment d;

-- update_profile --
update lakeward.profile set
  description = %(description)s, ollama_name = %(ollama_name)s, m = %(m)s, ef_construction = %(ef_construction)s,
  ef_search = %(ef_search)s, embed_model = %(embed_model)s, access_role = %(access_role)s,
  vector_backend = %(vector_backend)s
where id = %(id)s;

-- lock_profile --
select id from lakeward.profile where id = %(id)s for update;

-- relation_ids --
select id, name from lakeward.relation where name = any(%(names)s);

-- delete_bindings --
delete from lakeward.binding where profile_id = %(id)s and relation_id <> all(%(relation_ids)s);

-- create_bindings --
-- The reader's view and its rights on the relation's indexes follow each row (sql/30_on_binding.sql).
insert into lakeward.binding (profile_id, relation_id, role_name)
select p.id, unnest(%(relation_ids)s::bigint[]), p.role_name from lakeward.profile p where p.id = %(id)s
on conflict do nothing;

-- count_keys --
select count(*) from lakeward.api_key where profile_id = %(id)s and revoked_at is null;

-- delete_profile --
delete from lakeward.profile where id = %(id)s;

-- access --
-- The profile with its access role, as the scope may see them.
select p.id, p.description, p.schema_name, p.role_name,
  jsonb_build_object('m', p.m, 'ef_construction', p.ef_construction, 'ef_search', p.ef_search) as hnsw_config,
  jsonb_build_object(
    'access_role', a.name, 'clearance', a.clearance, 'default_action', a.default_action,
    'keep_prefix', a.keep_prefix, 'keep_suffix', a.keep_suffix, 'can_write', a.can_write
  ) as access
from lakeward.profile p join lakeward.access_role a on a.name = p.access_role
where p.id = %(id)s;

-- bound_relations --
select r.id, r.name from lakeward.binding b join lakeward.relation r on r.id = b.relation_id
where b.profile_id = %(id)s order by r.name;

-- plan_relations --
-- As the steward: what a reader with this clearance gets of these relations, every column of the base with its reason.
select r.id, r.name, r.kind, base.base_id, d.name as base_dataset, vb.row_filter,
  coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', c.name, 'shown', c.shown, 'type', case when c.shown then c.type end,
      'action', case when c.shown then c.action end,
      'keep_prefix', case when c.shown then c.prefix end, 'keep_suffix', case when c.shown then c.suffix end,
      'reason', c.reason, 'base_type', c.base_type, 'sensitivity', c.sensitivity
    ) order by c.ordinal)
    from lakeward.plan_columns(
      r.id, %(clearance)s, %(default_action)s, %(keep_prefix)s::integer, %(keep_suffix)s::integer
    ) c
  ), '[]') as columns
from lakeward.relation r
cross join lateral lakeward.find_base(r.id) base
join lakeward.dataset d on d.id = base.base_id
left join lakeward.safe_view_base vb on vb.view_id = r.id
where r.id = any(%(ids)s::bigint[])
order by r.name;

-- own_relations --
-- As a profile: its relations with the columns that are shown to it. What they are made of it cannot read.
select r.id, r.name, r.kind, null::bigint as base_id, null::text as base_dataset, null::text as row_filter,
  coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', s.name, 'shown', true, 'type', s.type, 'action', s.action, 'reason', s.reason,
      'keep_prefix', case s.action when 'mask' then coalesce(
        (v.redactions #>> array[s.name, 'keep_prefix'])::integer, case when v.id is null then a.keep_prefix end
      ) end,
      'keep_suffix', case s.action when 'mask' then coalesce(
        (v.redactions #>> array[s.name, 'keep_suffix'])::integer, case when v.id is null then a.keep_suffix end
      ) end
    ) order by s.position)
    from lakeward.shown_column s where s.binding_id = b.id
  ), '[]') as columns
from lakeward.binding b
join lakeward.relation r on r.id = b.relation_id
join lakeward.profile p on p.id = b.profile_id
join lakeward.access_role a on a.name = p.access_role
left join lakeward.safe_view v on v.id = b.relation_id
where b.profile_id = %(id)s
order by r.name;

-- indexes_of --
-- The indexes over these relations that the scope may see, and whether the profile may search them.
select i.name, i.relation_id, r.name as source, i.text_columns, exists (
  select from lakeward.index_reader x join lakeward.binding b on b.id = x.binding_id
  where x.index_id = i.id and b.profile_id = %(id)s
) as searchable
from lakeward.vector_index i join lakeward.relation r on r.id = i.relation_id
where i.relation_id = any(%(ids)s::bigint[]) and i.state = 'live'
order by i.name;

-- copy_dataset --
-- A dataset's columns with other levels, under a name of their own, for lakeward.plan_columns to decide about. It has no
-- table and no reader, and is rolled back.
with copy as (
  insert into lakeward.relation (name, kind) values (%(name)s, 'dataset') returning id, name
), described as (
  insert into lakeward.dataset (id, name, home, row_key)
  select copy.id, copy.name, d.home, d.row_key from copy, lakeward.dataset d where d.id = %(dataset_id)s
  returning id
), columns as (
  insert into lakeward.dataset_column (dataset_id, position, name, source_name, type, sensitivity)
  select described.id, c.position, c.name, c.source_name, c.type, coalesce(x.level, c.sensitivity)
  from described, lakeward.dataset_column c
  left join unnest(%(names)s::text[], %(levels)s::text[]) x (name, level) on x.name = c.name
  where c.dataset_id = %(dataset_id)s
)
select id from described;

-- count_seen --
select before, after, newly_seen, no_longer_seen from lakeward.count_seen(%(before)s::bigint, %(after)s::bigint);
