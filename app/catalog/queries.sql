-- manifests --
-- The datasets the scope's role may see, by name, keyset by name; one when `name` is given.
select d.name, d.home, d.row_key, d.row_count, d.description, d.owner, d.sensitivity, d.tags, d.lineage,
  d.version, d.last_embedded_at, d.embedding_stale_since, d.embedding_refresh_policy, d.embedding_refresh_s,
  d.created_at, d.updated_at,
  -- a reader's are those of its own view, with the types they have there
  coalesce((
    select jsonb_agg(jsonb_build_object(
      'name', c.name, 'type', coalesce(s.type, c.type), 'pii', c.pii, 'sensitivity', c.sensitivity, 'action', s.action
    ) order by c.position)
    from lakeward.dataset_column c
    left join lakeward.shown_column s
      on s.relation_id = c.dataset_id and s.name = c.name and s.role_name = (select current_user)
    where c.dataset_id = d.id
  ), '[]') as columns,
  jsonb_build_object(
    'loaded_at', case when d.version > 0 then d.updated_at end,
    'embedding', case
      when not exists (select from lakeward.vector_index i where i.relation_id = d.id) then 'none'
      when d.embedding_stale_since is null then 'fresh'
      else 'stale'
    end
  ) as freshness
from lakeward.dataset d
where (%(name)s::text is null or d.name = %(name)s) and (%(after)s::text is null or d.name > %(after)s)
order by d.name
limit %(limit)s;

-- dataset_row --
select d.id, d.name, d.home, d.row_key, d.row_count, d.version,
  exists (select from lakeward.dataset_column c where c.dataset_id = d.id) as has_table
from lakeward.dataset d where d.name = %(name)s;

-- lock_dataset --
-- Loads into one dataset run one after another.
select d.id, d.name, d.home, d.row_key, d.row_count, d.version,
  exists (select from lakeward.dataset_column c where c.dataset_id = d.id) as has_table
from lakeward.dataset d where d.name = %(name)s for update;

-- create_relation --
insert into lakeward.relation (name, kind) values (%(name)s, 'dataset') returning id;

-- create_dataset --
insert into lakeward.dataset (id, name, home, row_key) values (%(id)s, %(name)s, %(home)s, %(row_key)s);

-- update_dataset --
update lakeward.dataset set
  row_key = coalesce(%(row_key)s, row_key),
  description = coalesce(%(description)s, description),
  owner = coalesce(%(owner)s, owner),
  sensitivity = coalesce(%(sensitivity)s, sensitivity),
  tags = coalesce(%(tags)s, tags),
  embedding_refresh_policy = coalesce(%(embedding_refresh_policy)s, embedding_refresh_policy),
  embedding_refresh_s = coalesce(%(embedding_refresh_s)s, embedding_refresh_s),
  updated_at = now()
where id = %(id)s;

-- classify_columns --
-- One statement for all of them: what the readers see follows it once (sql/30_on_column_sensitivity.sql).
update lakeward.dataset_column c set sensitivity = x.sensitivity
from unnest(%(names)s::text[], %(levels)s::text[]) x (name, sensitivity)
where c.dataset_id = %(dataset_id)s and c.name = x.name and c.sensitivity <> x.sensitivity;

-- create_column --
insert into lakeward.dataset_column (dataset_id, position, name, source_name, type, sensitivity)
values (%(dataset_id)s, %(position)s, %(name)s, %(source_name)s, %(type)s, %(sensitivity)s);

-- sensitivities --
select c.name, c.sensitivity from lakeward.dataset_column c where c.dataset_id = %(dataset_id)s;

-- list_columns --
select c.name, c.source_name, c.type from lakeward.dataset_column c
where c.dataset_id = %(dataset_id)s order by c.position;

-- delete_columns --
delete from lakeward.dataset_column where dataset_id = %(dataset_id)s;

-- create_dataset_table --
select lakeward.create_dataset_table(%(dataset_id)s);

-- ensure_row_key --
select lakeward.ensure_row_key(%(dataset_id)s, %(row_key)s);

-- dataset_users --
-- Who would notice if the dataset went: indexes stand in the way, profiles lose a binding.
select
  array(
    select i.name from lakeward.vector_index i
    where i.state = 'live' and (
      i.relation_id = %(id)s
      or i.relation_id in (select b.view_id from lakeward.safe_view_base b where b.base_id = %(id)s)
    )
    order by 1
  ) as indexes,
  array(
    select v.name from lakeward.safe_view_base b join lakeward.safe_view v on v.id = b.view_id
    where b.base_id = %(id)s order by 1
  ) as views,
  array(select b.profile_id from lakeward.binding b where b.relation_id = %(id)s order by 1) as profiles;

-- delete_relation --
delete from lakeward.relation where id = %(id)s;

-- set_loaded --
update lakeward.dataset set
  row_count = %(row_count)s, version = version + 1, row_key = %(row_key)s, updated_at = now(),
  lineage = (
    select coalesce(jsonb_agg(e order by n), '[]') from (
      select e, n from jsonb_array_elements(lineage || %(lineage)s::jsonb) with ordinality x (e, n)
      order by n desc limit 50
    ) newest
  )
where id = %(id)s;
