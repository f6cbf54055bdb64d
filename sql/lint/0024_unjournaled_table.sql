-- A dataset's table whose changes nobody records, or a part of the record that can be changed.
-- Why: the journal is written by triggers, and what is on record is kept by triggers; an owner can switch them off, and
-- nothing else would say so before somebody verifies the journal.
select format('lake.%I', d.name) as object, format('its trigger %s is missing or switched off', w.name) as detail
from lakeward.dataset d
join pg_class c on c.relname = d.name and c.relnamespace = 'lake'::regnamespace and c.relkind = 'r'
cross join (values ('journal_insert'), ('journal_update'), ('journal_delete'), ('journal_truncate')) w (name)
where not exists (
  select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
  where t.tgrelid = c.oid and t.tgname = w.name and t.tgenabled in ('O', 'A')
    and p.pronamespace = 'record'::regnamespace and p.proname = 'journal_rows_' || d.id
)
union all
select format('%I.%I', n.nspname, c.relname), format('its trigger %s is missing or switched off', w.name)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
cross join (values ('keep_record'), ('keep_record_whole')) w (name)
where (n.nspname = 'record' or n.nspname = 'lakeward' and c.relname in ('journal', 'journal_seal', 'audit_entry', 'storage_error', 'trial'))
  and c.relkind in ('r', 'p')
  and not exists (
    select from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where t.tgrelid = c.oid and t.tgname = w.name and t.tgenabled in ('O', 'A')
      and p.pronamespace = 'lakeward'::regnamespace and p.proname = 'keep_record'
  )
