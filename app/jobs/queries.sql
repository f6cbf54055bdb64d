-- defer_job --
select lakeward.defer_job(%(kind)s, %(subject)s, %(args)s, %(unit)s, %(lock)s, %(created_by)s)::text;

-- get_job --
select id::text, kind, subject, state,
  jsonb_build_object('done', done, 'total', total, 'unit', unit, 'rate', rate, 'eta_s', eta_s) as progress,
  error, result, created_at, started_at, finished_at, attempts
from lakeward.job
where id = %(id)s::uuid;

-- list_jobs --
-- Newest first, keyset by (created_at, id).
select id::text, kind, subject, state,
  jsonb_build_object('done', done, 'total', total, 'unit', unit, 'rate', rate, 'eta_s', eta_s) as progress,
  error, result, created_at, started_at, finished_at, attempts
from lakeward.job
where (%(kind)s::text is null or kind = %(kind)s)
  and (%(state)s::text is null or state = %(state)s)
  and (%(before_at)s::timestamptz is null or (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
order by created_at desc, id desc
limit %(limit)s;

-- cancel_job --
-- A queued job is cancelled by this alone: the queue's own row is dropped by the worker that finds it.
update lakeward.job set
  cancel_requested = true,
  state = case state when 'queued' then 'cancelled' else state end,
  finished_at = case state when 'queued' then now() end
where id = %(id)s::uuid and state in ('queued', 'running');

-- start_job --
-- A job that is found running was left by a worker that died. `attempts` is also the fence: whoever started the job
-- later owns it, and what an earlier worker still writes finds no row.
update lakeward.job set
  state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, now()),
  error = null, rate = null, eta_s = null
where id = %(id)s::uuid and state in ('queued', 'running') and not cancel_requested
returning attempts, args, done, total;

-- cancel_flagged_job --
-- Cancelled while no worker had it.
update lakeward.job set state = 'cancelled', finished_at = now(), rate = null, eta_s = null
where id = %(id)s::uuid and state in ('queued', 'running') and cancel_requested;

-- report_progress --
update lakeward.job set done = %(done)s, total = %(total)s, rate = %(rate)s, eta_s = %(eta_s)s
where id = %(id)s::uuid and state = 'running' and attempts = %(attempt)s
returning cancel_requested;

-- tell --
-- What a running job waits for, or that it goes on.
update lakeward.job set error = %(error)s::jsonb
where id = %(id)s::uuid and state = 'running' and attempts = %(attempt)s
returning true;

-- finish_job --
update lakeward.job set
  state = %(state)s, result = %(result)s, error = %(error)s, finished_at = now(),
  done = %(done)s, total = %(total)s, eta_s = null
where id = %(id)s::uuid and state = 'running' and attempts = %(attempt)s;

-- requeue_job --
-- `given_back` attempts were not the job's fault and do not count.
update lakeward.job set
  state = 'queued', error = %(error)s, attempts = attempts - %(given_back)s, rate = null, eta_s = null,
  done = %(done)s, total = %(total)s
where id = %(id)s::uuid and state = 'running' and attempts = %(attempt)s;

-- revive_orphans --
-- Jobs that wait or run without a row in the queue are put there again. It should find none; it makes the queue
-- follow from the catalog, whatever happened to the queue.
select coalesce(cardinality(jobs.procrastinate_defer_jobs_v1(array_agg(
  row(j.kind, j.kind, 0, j.lock, null, jsonb_build_object('job_id', j.id), null)::jobs.procrastinate_job_to_defer_v1
))), 0)
from lakeward.job j
where j.state in ('queued', 'running')
  and not exists (
    select from jobs.procrastinate_jobs q
    where q.args ->> 'job_id' = j.id::text and q.status in ('todo', 'doing')
  )
having count(*) > 0;
