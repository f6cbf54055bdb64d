-- What a version was judged by before it became live names eval sets and other readers' settings: the steward's alone. The index
-- is read by its readers, all of its columns.
create table lakeward.index_gate (
  index_id bigint primary key references lakeward.vector_index (id) on delete cascade,
  gate jsonb not null
);
insert into lakeward.index_gate (index_id, gate) select id, gate from lakeward.vector_index where gate is not null;
alter table lakeward.vector_index drop column gate;
