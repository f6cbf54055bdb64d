-- The name of an index is what it is asked by; its tables are named once and keep their names, so that another index may
-- take over the name while searches that began before go on in theirs.
alter table lakeward.vector_index add column table_name text collate "C";
update lakeward.vector_index set table_name = name;
alter table lakeward.vector_index alter column table_name set not null;
alter table lakeward.vector_index add constraint vector_index_table_name_key unique (table_name);

-- What searches by a variant found of what an exact search finds, by ef_search: measured at activation on the index's own
-- vectors. {"30": {"recall": .., "low": .., "high": .., "queries": .., "at": ..}}
alter table lakeward.index_variant add column measured jsonb not null default '{}';
