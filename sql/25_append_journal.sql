-- Appends one entry to the journal, in the caller's transaction: it is on record exactly when what it tells of happened.
-- Who acted is filled in here (lakeward.acting). Called by definer functions, and by the steward for what happened elsewhere.
create or replace function lakeward.append_journal(
  kind text, dataset text, entity text, field text, old jsonb, new jsonb
) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  who record;
begin
  select * into strict who from lakeward.acting();
  insert into lakeward.journal (kind, dataset, entity, field, old, new, actor, profile, model, source, workspace, request_id)
  values (
    append_journal.kind, append_journal.dataset, append_journal.entity, append_journal.field, append_journal.old,
    append_journal.new, who.actor, who.profile, who.model, who.source, who.workspace, who.request_id
  );
end $$;
