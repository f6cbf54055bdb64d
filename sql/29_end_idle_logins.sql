-- Ends the sessions of people whose transaction is open and has had nothing to do for `idle`, or is open for `longest`: the journal
-- cannot be sealed, and nothing can be vacuumed, beyond the oldest open transaction. They may set their own time limits,
-- so those do not help. And those that hold an advisory lock, which the app's own may wait for, or of which a few million
-- leave nobody a lock; where a superuser migrates nobody can take one (app/db/bootstrap.py). And, when the queue of
-- notifications begins to fill, those with an open transaction: a listener in one keeps it from being emptied, and when it is
-- full, nothing that notifies can commit.
create or replace function lakeward.end_idle_logins(idle interval, longest interval) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  ended bigint;
begin
  select count(pg_terminate_backend(s.pid, 5000)) into ended
  from lakeward.login_sessions() s
  where s.state like 'idle in transaction%' and s.state_change < clock_timestamp() - idle
    or s.xact_start < clock_timestamp() - longest
    or s.xact_start < clock_timestamp() - interval '5 seconds' and pg_notification_queue_usage() > 0.05
    or s.pid in (select l.pid from pg_locks l where l.locktype = 'advisory');
  -- to ask is also to free what nobody waits for any more (async.c), and when it is full nothing else does
  perform pg_notification_queue_usage();
  return ended;
end $$;
