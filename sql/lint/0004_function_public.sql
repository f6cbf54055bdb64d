-- A function of Lakeward's that PUBLIC may execute.
-- Why: functions are executable by PUBLIC unless that is revoked, and many of these run with the owner's rights. Those
-- that are made for every reader are named here, one by one.
select p.oid::regprocedure::text as object, 'PUBLIC may execute it' as detail
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
where (
    n.nspname in ('lakeward', 'record', 'lake', 'vec', 'jobs') or n.nspname in (select schema_name from lakeward.profile)
  )
  and a.grantee = 0
  and a.privilege_type = 'EXECUTE'
  and not (n.nspname = 'lakeward' and p.proname in (
    'append_audit', 'find_hits', 'gate_of', 'history', 'keep_question', 'match_words', 'may_tombstone', 'pending_rows', 'recent_entries', 'record_read',
    'search', 'search_route', 'sees_row', 'session_is', 'similar', 'tombstone', 'whoami'
  ))
