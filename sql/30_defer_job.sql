-- Puts a job in the queue and in the catalog in the caller's transaction: both are there, or neither.
-- `task` is the queue's task name; jobs with the same lock run one after another.
create or replace function lakeward.defer_job(
  kind text, subject text, args jsonb, unit text, lock text, created_by text
) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  job_id uuid;
begin
  insert into lakeward.job (kind, subject, args, unit, created_by)
  values (defer_job.kind, defer_job.subject, defer_job.args, defer_job.unit, defer_job.created_by)
  returning id into job_id;
  perform jobs.procrastinate_defer_jobs_v1(array[
    row('default', kind, 0, lock, null, jsonb_build_object('job_id', job_id), null)
      ::jobs.procrastinate_job_to_defer_v1
  ]);
  return job_id;
end $$;
