-- A trigger of Lakeward's that is missing or switched off, other than those of the journal (0024).
-- Why: what a deleted or changed row leaves in an index is taken away by a trigger, so are the views of a binding that is
-- deleted; and a row that was tombstoned is refused by one. Without it a reader goes on seeing what the catalog says is gone.
with expected as (
  select w.relname, w.tgname, 'lakeward' as nspname
  from (
    values
      ('profile', 'objects'), ('profile', 'objects_update'), ('profile', 'objects_delete'), ('profile', 'objects_clearance'),
      ('access_role', 'objects_clearance'), ('binding', 'objects'), ('binding', 'objects_delete'),
      ('relation', 'objects_delete'), ('safe_view_base', 'objects'), ('safe_view', 'objects_delete'),
      ('dataset_column', 'objects'), ('dataset', 'objects'), ('dataset', 'objects_row_key'),
      ('vector_index', 'names'), ('vector_index', 'objects'),
      ('relation', 'changed'), ('dataset', 'changed'), ('dataset_column', 'changed'), ('profile', 'changed'),
      ('binding', 'changed'), ('api_key', 'changed'), ('vector_index', 'changed'), ('index_variant', 'changed'),
      ('access_role', 'changed'), ('safe_view', 'changed'), ('safe_view_base', 'changed'),
      ('profile', 'journal'), ('binding', 'journal'), ('safe_view', 'journal'), ('safe_view_base', 'journal'),
      ('access_role', 'journal'), ('api_key', 'journal'), ('dataset', 'journal'), ('dataset_column', 'journal'),
      ('vector_index', 'journal'), ('eval_set', 'journal'), ('model_adapter', 'journal')
  ) w (relname, tgname)
  union all
  select d.name, 'refuse_tombstoned', 'lake' from lakeward.dataset d
  union all
  select d.name, w.prefix || i.id, 'lake'
  from lakeward.vector_index i
  left join lakeward.safe_view_base b on b.view_id = i.relation_id
  join lakeward.dataset d on d.id = coalesce(b.base_id, i.relation_id)
  cross join (values ('track_insert_'), ('track_update_'), ('track_delete_')) w (prefix)
),
home as (
  select c.oid, n.nspname::text as nspname, c.relname::text as relname
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('lakeward', 'lake', 'vec', 'record') and c.relkind in ('r', 'p')
)
select format('%I.%I', home.nspname, home.relname) as object, format('its trigger %s is missing', x.tgname) as detail
from expected x
join home on home.nspname = x.nspname and home.relname = x.relname
where not exists (select from pg_trigger t where t.tgrelid = home.oid and t.tgname = x.tgname)
union all
select format('%I.%I', home.nspname, home.relname), format('its trigger %s is switched off', t.tgname)
from home
join pg_trigger t on t.tgrelid = home.oid
where t.tgenabled not in ('O', 'A')
  and t.tgname not in (
    'journal_insert', 'journal_update', 'journal_delete', 'journal_truncate', 'keep_record', 'keep_record_whole'
  )
