-- Journal, seals and audit are appended to and nothing else; that goes for their owner too. One thing may happen to an
-- entry: erasure takes its payload (lakeward.erase_journal, which says in the journal which entries these were).
-- An owner can switch any trigger off. What was changed then does not fit its seal, and verify finds it.
create or replace function lakeward.keep_record() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  allowed record;
begin
  if tg_op = 'UPDATE' and current_setting('lakeward.erasing', true) = 'on' then
    allowed := old;
    case tg_argv[0]
      when 'journal' then
        allowed.entity := null;
        allowed.old := null;
        allowed.new := null;
      when 'audit_entry' then
        allowed.hits := case when new.hits <@ old.hits then new.hits else old.hits end;
        allowed.model := case when new.model is null then null else old.model end;
      when 'journal_seal' then
        allowed.salts := new.salts;
    end case;
    if new is not distinct from allowed then
      return new;
    end if;
  end if;
  raise insufficient_privilege using
    message = format('%s is append-only: nothing in it is changed or deleted', tg_argv[0]),
    hint = 'What has to be forgotten is erased: POST /catalog/erasures.';
end $$;
