-- find_key --
-- What authentication needs of one key; runs as the bare service login.
select id, name, kind, model, secret_sha256, revoked, profile_id, role_name, access_role
from lakeward.find_key(%(id)s);

-- create_key --
insert into lakeward.api_key (id, name, kind, profile_id, model, secret_sha256)
values (%(id)s, %(name)s, %(kind)s, %(profile)s, %(model)s, %(secret_sha256)s)
returning id, name, kind, profile_id as profile, model, created_at, revoked_at;

-- list_keys --
-- Oldest first, keyset by (created_at, id).
select id, name, kind, profile_id as profile, model, created_at, revoked_at
from lakeward.api_key
where %(after_at)s::timestamptz is null or (created_at, id) > (%(after_at)s::timestamptz, %(after_id)s)
order by created_at, id
limit %(limit)s;

-- revoke_key --
update lakeward.api_key set revoked_at = coalesce(revoked_at, now())
where id = %(id)s
returning id, name, kind, profile_id as profile, model, created_at, revoked_at;

-- find_profile --
select id, role_name, access_role from lakeward.profile where id = %(id)s;

-- list_relations --
-- Every relation the scope's role may read.
select name from lakeward.relation order by name;
