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
