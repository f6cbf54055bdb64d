-- Rows are the truth; roles, schemas, views, tables and rights follow them in the same transaction.
create or replace trigger objects after insert on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects_update before update on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects_delete before delete on lakeward.profile
for each row execute function lakeward.on_profile();
create or replace trigger objects after insert or delete on lakeward.binding
for each row execute function lakeward.on_binding();
create or replace trigger objects after delete on lakeward.dataset
for each row execute function lakeward.on_dataset();
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
