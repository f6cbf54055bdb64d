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

-- roles --
-- The access roles the scope's role may see, by name, keyset by name; one when `name` is given.
select r.name, r.description, r.clearance, r.default_action, r.keep_prefix, r.keep_suffix, r.can_write,
  r.name = any(%(built_in)s) as built_in,
  (select count(*) from lakeward.profile p where p.access_role = r.name) as profiles, r.created_at
from lakeward.access_role r
where (%(name)s::text is null or r.name = %(name)s) and (%(after)s::text is null or r.name > %(after)s)
order by r.name
limit %(limit)s;

-- role_names --
select name from lakeward.access_role order by name limit 100;

-- keep_role --
-- The role stays until the transaction ends: a profile is about to get it.
select name from lakeward.access_role where name = %(name)s for key share;

-- lock_role --
select name from lakeward.access_role where name = %(name)s for update;

-- create_role --
insert into lakeward.access_role (
  name, description, clearance, default_action, keep_prefix, keep_suffix, can_write
)
values (
  %(name)s, %(description)s, %(clearance)s, %(default_action)s, %(keep_prefix)s, %(keep_suffix)s, %(can_write)s
);

-- update_role --
-- What its readers see follows in the same transaction (sql/30_on_clearance.sql).
update lakeward.access_role set
  description = %(description)s, clearance = %(clearance)s, default_action = %(default_action)s,
  keep_prefix = %(keep_prefix)s, keep_suffix = %(keep_suffix)s, can_write = %(can_write)s
where name = %(name)s;

-- role_profiles --
select p.id from lakeward.profile p where p.access_role = %(name)s order by p.id;

-- delete_role --
delete from lakeward.access_role where name = %(name)s;

-- find_schema --
select schema_name from lakeward.profile where id = %(profile)s;

-- role_exists --
select exists (select from pg_roles where rolname = %(name)s);

-- create_login --
-- As the owner: Postgres refuses `alter role ... set role` in a SECURITY DEFINER function.
select lakeward.create_login(%(profile)s, %(name)s, %(verifier)s, %(valid_until)s);

-- users --
-- The logins of this database's profiles; those of `lakeward psql --as`, which end with it, are not people.
select u.rolname::text as name, p.id as profile, nullif(u.rolvaliduntil, 'infinity') as valid_until,
  (select count(*) from pg_stat_activity a where a.usesysid = u.oid) as sessions
from lakeward.profile p
join pg_roles g on g.rolname = p.role_name
join pg_auth_members m on m.roleid = g.oid
join pg_roles u on u.oid = m.member
cross join lakeward.deployment d
where u.rolname not in (d.service_role, d.owner_role)
  and not starts_with(u.rolname, d.prefix || '_psql_')
  and (%(name)s::text is null or u.rolname = %(name)s)
  and (%(after)s::text is null or u.rolname::text > %(after)s)
order by u.rolname::text
limit %(limit)s;

-- close_login --
select lakeward.close_login(%(name)s);

-- drop_login --
select lakeward.drop_login(%(name)s);

-- end_idle_logins --
select lakeward.end_idle_logins(%(idle)s, %(longest)s);
