-- Rows are the truth; roles, schemas, views, tables and rights follow them in the same transaction.
create or replace trigger objects after insert on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects_update before update on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects_delete before delete on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects_clearance after update of access_role on lakeward.profile
for each row when (old.access_role <> new.access_role) execute function lakeward.on_clearance();
create or replace trigger objects_clearance after update on lakeward.access_role
for each row when (
  (old.clearance, old.default_action, old.keep_prefix, old.keep_suffix)
  is distinct from (new.clearance, new.default_action, new.keep_prefix, new.keep_suffix)
) execute function lakeward.on_clearance();
create or replace trigger objects after insert on lakeward.binding
for each row execute function lakeward.on_binding();
create or replace trigger objects_delete before delete on lakeward.binding
for each row execute function lakeward.on_binding();
create or replace trigger objects_delete before delete on lakeward.relation
for each row execute function lakeward.on_relation();
create or replace trigger objects after insert or update on lakeward.safe_view_base
for each row execute function lakeward.on_safe_view();
create or replace trigger objects_delete after delete on lakeward.safe_view
for each row execute function lakeward.on_safe_view_delete();
create or replace trigger objects after update on lakeward.dataset_column
referencing old table as old_columns new table as new_columns
for each statement execute function lakeward.on_column_sensitivity();
create or replace trigger objects after delete on lakeward.dataset
for each row execute function lakeward.on_dataset();
create or replace trigger objects_row_key after update of row_key on lakeward.dataset
for each row when (old.row_key is distinct from new.row_key) execute function lakeward.on_dataset();
create or replace trigger names before insert on lakeward.vector_index
for each row execute function lakeward.name_index_tables();
create or replace trigger objects after insert or delete on lakeward.vector_index
for each row execute function lakeward.on_vector_index();

do $$
declare
  relation text;
begin
  foreach relation in array array[
    'relation', 'dataset', 'dataset_column', 'profile', 'binding', 'api_key', 'vector_index', 'index_variant',
    'access_role', 'safe_view', 'safe_view_base'
  ] loop
    execute format(
      'create or replace trigger changed after insert or update or delete or truncate on lakeward.%I '
      'for each statement execute function lakeward.notify_change()', relation
    );
  end loop;
end $$;

-- what is on record stays; row triggers reach every partition, those on TRUNCATE are each table's own
create or replace trigger keep_record before update or delete on lakeward.journal
for each row execute function lakeward.keep_record('journal');
create or replace trigger keep_record before update or delete on lakeward.audit_entry
for each row execute function lakeward.keep_record('audit_entry');
create or replace trigger keep_record before update or delete on lakeward.journal_seal
for each row execute function lakeward.keep_record('journal_seal');
create or replace trigger keep_record_whole before truncate on lakeward.journal
for each statement execute function lakeward.keep_record('journal');
create or replace trigger keep_record_whole before truncate on lakeward.audit_entry
for each statement execute function lakeward.keep_record('audit_entry');
create or replace trigger keep_record_whole before truncate on lakeward.journal_seal
for each statement execute function lakeward.keep_record('journal_seal');
create or replace trigger keep_record before update or delete on lakeward.storage_error
for each row execute function lakeward.keep_record('storage_error');
create or replace trigger keep_record_whole before truncate on lakeward.storage_error
for each statement execute function lakeward.keep_record('storage_error');
create or replace trigger keep_record before update or delete on lakeward.trial
for each row execute function lakeward.keep_record('trial');
create or replace trigger keep_record_whole before truncate on lakeward.trial
for each statement execute function lakeward.keep_record('trial');

-- and what an admin changes is on record
create or replace trigger journal after insert or update or delete on lakeward.profile
for each row execute function lakeward.journal_catalog('profile', 'role_name', 'schema_name');
create or replace trigger journal after insert or delete on lakeward.binding
for each row execute function lakeward.journal_catalog('binding', 'id', 'role_name', 'base_id', 'relation_id');
create or replace trigger journal after insert or update or delete on lakeward.safe_view
for each row execute function lakeward.journal_catalog('view', 'id');
create or replace trigger journal after insert or update on lakeward.safe_view_base
for each row execute function lakeward.journal_catalog('view', 'view_id', 'base_id', 'filter_tree');
create or replace trigger journal after insert or update or delete on lakeward.access_role
for each row execute function lakeward.journal_catalog('access_role');
create or replace trigger journal after insert or update or delete on lakeward.api_key
for each row execute function lakeward.journal_catalog('api_key', 'secret_sha256');
create or replace trigger journal after insert or update or delete on lakeward.dataset
for each row execute function lakeward.journal_catalog(
  'dataset', 'id', 'row_count', 'version', 'lineage', 'updated_at', 'last_embedded_at', 'embedding_stale_since'
);
create or replace trigger journal after update on lakeward.dataset_column
for each row execute function lakeward.journal_catalog('column', 'dataset_id', 'position', 'source_name', 'type');
create or replace trigger journal after insert or update or delete on lakeward.vector_index
for each row execute function lakeward.journal_catalog(
  'index', 'id', 'relation_id', 'last_embedded_at', 'lance'
);
create or replace trigger journal after insert or delete on lakeward.model_adapter
for each row execute function lakeward.journal_catalog('adapter', 'id', 'matrix');
create or replace trigger journal after insert or delete on lakeward.eval_set
for each row execute function lakeward.journal_catalog('eval', 'id', 'index_id');
