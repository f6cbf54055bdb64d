-- A setting of the database, the server or the service login that switches triggers or policies off, or speaks for Lakeward.
-- Why: with session_replication_role = replica no trigger fires: deleted rows stay searchable and nothing is journaled.
-- lakeward.* is how the app says who acts and what is journaled elsewhere; as a standing setting it would say so of everything.
select case when s.setrole = 0 then 'every session' else format('sessions of %I', pg_get_userbyid(s.setrole)) end as object,
  'begins with ' || c.setting as detail
from pg_db_role_setting s
cross join lateral unnest(s.setconfig) c (setting)
where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
  and (
    starts_with(c.setting, 'session_replication_role=') and c.setting <> 'session_replication_role=origin'
    or (s.setrole = 0 or s.setrole in (select r.oid from pg_roles r join lakeward.deployment d on d.service_role = r.rolname))
    and (c.setting ~ '^(role|lakeward\.[^=]+)=' or c.setting ~* '^row_security=(off|false|no|0)$')
  )
union all
select 'the server', format('runs with %s=%s', g.name, g.value)
from (values ('session_replication_role', 'origin'), ('row_security', 'on')) w (name, wanted)
cross join lateral (select w.name, current_setting(w.name) as value) g
where g.value <> w.wanted
  -- the rows above name where it comes from
  and not exists (
    select from pg_db_role_setting s cross join lateral unnest(s.setconfig) c (setting) where starts_with(c.setting, w.name || '=')
  )
