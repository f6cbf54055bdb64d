-- Puts a job in the queue and in the catalog in the caller's transaction: both are there, or neither.
-- The kind is task and queue in one, so that a worker fetches only kinds it knows. Jobs of one lock run one after another.
-- `jobs` is in the path because procrastinate's own functions name their tables without a schema.
create or replace function lakeward.defer_job(
  kind text, subject text, args jsonb, unit text, lock text, created_by text
) returns uuid
language plpgsql security definer set search_path = pg_catalog, jobs, pg_temp as $$
declare
  job_id uuid;
begin
  insert into lakeward.job (kind, subject, args, unit, lock, created_by)
  values (
    defer_job.kind, defer_job.subject, defer_job.args, defer_job.unit, defer_job.lock, defer_job.created_by
  )
  returning id into job_id;
  perform jobs.procrastinate_defer_jobs_v1(array[
    row(kind, kind, 0, lock, null, jsonb_build_object('job_id', job_id), null)::jobs.procrastinate_job_to_defer_v1
  ]);
  return job_id;
end $$;
