-- Ends the sessions of people whose transaction is open and has had nothing to do for `idle`, or is open for `longest`: the journal
-- cannot be sealed, and nothing can be vacuumed, beyond the oldest open transaction. They may set their own time limits,
-- so those do not help.
create or replace function lakeward.end_idle_logins(idle interval, longest interval) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select count(pg_terminate_backend(s.pid, 5000))
  from lakeward.login_sessions() s
  where s.xact_start is not null
    and (
      s.state like 'idle in transaction%' and s.state_change < clock_timestamp() - idle
      or s.xact_start < clock_timestamp() - longest
    )
$$;
