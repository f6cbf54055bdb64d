-- Who sees which rows of the catalog: a profile its own part, the steward all of it.
-- lakeward.deployment shows its row to the steward alone; `exists (select from lakeward.deployment)` is how the other
-- policies ask "is this the steward" without naming a role. (select current_user) is evaluated once per query.
do $$
declare
  relation text;
begin
  foreach relation in array array[
    'schema_version', 'deployment', 'relation', 'dataset', 'dataset_column', 'dataset_file', 'rejected_row', 'profile', 'binding',
    'api_key', 'job', 'vector_index', 'index_variant', 'access_role', 'secret', 'safe_view', 'safe_view_base',
    'shown_column', 'index_reader', 'tombstone', 'erasure', 'journal', 'journal_seal', 'audit_entry', 'bucket_dataset',
    'storage_error', 'profile_bucket', 'bucket_folder', 'cache_pin', 'eval_set', 'eval_query', 'eval_truth', 'trial',
    'model_adapter', 'index_gate'
  ] loop
    execute format('alter table lakeward.%I enable row level security', relation);
    execute format('drop policy if exists own_part on lakeward.%I', relation);
    execute format('drop policy if exists steward_writes on lakeward.%I', relation);
  end loop;
end $$;

create policy own_part on lakeward.deployment for select using (steward_role = (select current_user));

create policy own_part on lakeward.profile for select using (role_name = (select current_user));
create policy own_part on lakeward.relation for select using (
  id in (select b.relation_id from lakeward.binding b where b.role_name = (select current_user))
);
create policy own_part on lakeward.dataset for select using (
  id in (select b.relation_id from lakeward.binding b where b.role_name = (select current_user))
);
create policy own_part on lakeward.shown_column for select using (role_name = (select current_user));
create policy own_part on lakeward.dataset_column for select using (
  (dataset_id, name) in (
    select s.relation_id, s.name from lakeward.shown_column s where s.role_name = (select current_user)
  )
);
create policy own_part on lakeward.safe_view for select using (
  id in (select b.relation_id from lakeward.binding b where b.role_name = (select current_user))
);
create policy own_part on lakeward.access_role for select using (
  name in (select p.access_role from lakeward.profile p where p.role_name = (select current_user))
);
create policy own_part on lakeward.index_reader for select using (role_name = (select current_user));
-- a version that is not live is nobody's but the steward's, though its tables are granted: it may become live at any moment
create policy own_part on lakeward.vector_index for select using (
  state = 'live' and id in (select x.index_id from lakeward.index_reader x where x.role_name = (select current_user))
);
create policy own_part on lakeward.index_variant for select using (
  index_id in (select i.id from lakeward.vector_index i)
);
create policy own_part on lakeward.dataset_file for select using (
  (select exists (select from lakeward.deployment)) -- noqa: LT01, LT06
);
create policy own_part on lakeward.rejected_row for select using (
  (select exists (select from lakeward.deployment)) -- noqa: LT01, LT06
);
-- What every read of a reader's rows asks costs little: the steward's role by its name, instead of the question above, took
-- a point read through a view from 1.4 times the owner's to 1.2.
do $$
declare
  steward text := lakeward.role_of('steward');
begin
  execute format(
    'create policy own_part on lakeward.binding for select using (role_name = current_user or current_user = %L)', steward
  );
  -- the gate reads the key of `hash` for the views it owns; who asks is one of this deployment's roles
  execute format(
    'create policy own_part on lakeward.secret for select using ((select starts_with(current_user::text, %L)))',
    (select d.prefix || '_' from lakeward.deployment d)
  );
  drop policy if exists steward_writes on lakeward.binding;
  execute format(
    'create policy steward_writes on lakeward.binding for all using (current_user = %1$L) with check (current_user = %1$L)',
    steward
  );
end $$;
-- the others are the steward's alone, by the policies below

-- the steward sees and writes all of these; a reader's own part does not ask about the steward a second time
do $$
declare
  relation text;
begin
  foreach relation in array array[
    'relation', 'dataset', 'dataset_column', 'profile', 'api_key', 'job', 'vector_index', 'index_variant', 'access_role',
    'safe_view', 'safe_view_base', 'shown_column', 'index_reader', 'tombstone', 'erasure', 'journal',
    'journal_seal', 'audit_entry', 'bucket_dataset', 'storage_error', 'profile_bucket', 'cache_pin',
    'eval_set', 'eval_query', 'eval_truth', 'trial', 'model_adapter', 'index_gate'
  ] loop
    execute format(
      'create policy steward_writes on lakeward.%I for all '
      'using ((select exists (select from lakeward.deployment))) '
      'with check ((select exists (select from lakeward.deployment)))', relation
    );
  end loop;
end $$;
