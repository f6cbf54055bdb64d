-- Keeps a question that was asked of an index, when the settings say so (audit.keep_questions), and answers true. They are an
-- eval set of the index, asked:<index>, so they go with it, and an erasure looks into them as into any other. Who asked is not
-- kept. A question that is there is not kept twice; when there are more than `keep`, the oldest go. While an erasure is under way
-- none is kept: it may name whom the erasure is to forget, and the erasure has looked already.
-- Only for the service's sessions: a person's own could fill it with anything.
create or replace function lakeward.keep_question(index_id bigint, question text, keep integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  log_name text;
  log_id bigint;
  place bigint;
begin
  if session_user <> lakeward.role_of('service') or exists (
    select from lakeward.erasure e join lakeward.job j on j.id = e.job_id
    where e.finished_at is null and not e.dry_run and j.state in ('queued', 'running')
  ) then
    return true;
  end if;
  -- whoever deletes the index or the set waits for this search, so it must not wait for them
  select 'asked:' || i.name into log_name from lakeward.vector_index i
  where i.id = keep_question.index_id and i.state = 'live' for key share skip locked;
  if log_name is null then
    return true;
  end if;
  select e.id into log_id from lakeward.eval_set e where e.name = log_name for key share skip locked;
  if log_id is null and not exists (select from lakeward.eval_set e where e.name = log_name) then
    insert into lakeward.eval_set (name, index_id, created_by) values (log_name, keep_question.index_id, 'search')
    on conflict (name) do nothing returning id into log_id;
  end if;
  -- null: another session has just made it, and keeps its own question
  if log_id is null or exists (
    select from lakeward.eval_query q where q.eval_id = log_id and q.question = keep_question.question
  ) then
    return true;
  end if;
  insert into lakeward.eval_query (eval_id, question) values (log_id, keep_question.question) returning id into place;
  -- not every time: it reads them all
  if place % 16 = 0 and pg_try_advisory_xact_lock(hashtextextended('lakeward.asked', log_id)) then
    delete from lakeward.eval_query q where q.eval_id = log_id and q.id <= (
      select o.id from lakeward.eval_query o where o.eval_id = log_id order by o.id desc offset keep_question.keep limit 1
    );
  end if;
  return true;
end $$;
