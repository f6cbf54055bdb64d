-- When rows that came or changed are embedded: by the dataset's policy, or by the index's own. `scheduled` has an interval.
alter table lakeward.dataset add column embedding_refresh_s integer not null default 3600;
alter table lakeward.dataset add constraint dataset_embedding_refresh_s_check check (embedding_refresh_s between 60 and 31536000);
alter table lakeward.vector_index add column refresh_policy text;
alter table lakeward.vector_index add column refresh_s integer;
alter table lakeward.vector_index
add constraint vector_index_refresh_policy_check check (refresh_policy in ('manual', 'on_append', 'scheduled'));
alter table lakeward.vector_index add constraint vector_index_refresh_s_check check (refresh_s between 60 and 31536000);

-- Indexes from before: a pending row says since when it waits and, when it was set aside, why; equal texts are found by hash.
do $$
declare
  item record;
begin
  for item in select i.table_name, d.steward_role from lakeward.vector_index i cross join lakeward.deployment d loop
    execute format(
      'alter table vec.%I add column since timestamptz not null default now(), add column reason text', item.table_name || '_pending'
    );
    execute format('grant select (since, reason) on vec.%I to %I', item.table_name || '_pending', item.steward_role);
    -- as lakeward.index_texts
    execute format(
      'create index %I on vec.%I (hashtextextended(content, 0))', item.table_name || '_text_hash', item.table_name || '_text'
    );
    execute format('alter index vec.%I alter column 1 set statistics 0', item.table_name || '_text_hash');
  end loop;
end $$;
