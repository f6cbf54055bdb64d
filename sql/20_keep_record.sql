-- Journal, seals and audit are appended to and nothing else; that goes for their owner too. One thing may happen to an
-- entry: erasure takes its payload (lakeward.erase_journal, which says in the journal which entries these were).
-- An owner can switch any trigger off. What was changed then does not fit its seal, and verify finds it.
create or replace function lakeward.keep_record() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  blanked record;
begin
  if tg_op = 'UPDATE' and current_setting('lakeward.erasing', true) = 'on' then
    blanked := old;
    if tg_argv[0] = 'journal' then
      blanked.entity := null;
      blanked.old := null;
      blanked.new := null;
      blanked.salt := null;
    elsif tg_argv[0] = 'audit_entry' then
      blanked.hits := case when new.hits <@ old.hits then new.hits else old.hits end;
    end if;
    if new is not distinct from blanked and new is distinct from old then
      return new;
    end if;
  end if;
  raise insufficient_privilege using
    message = format('%s is append-only: nothing in it is changed or deleted', tg_argv[0]),
    hint = 'What has to be forgotten is erased: POST /catalog/erasures.';
end $$;
