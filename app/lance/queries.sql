-- copied_index --
-- An index by the name of its tables, as the owner sees it; `lance` is the state of its copy.
select i.id, i.name, i.table_name, i.dimensions, i.lance from lakeward.vector_index i where i.table_name = %(table_name)s;

-- wanted_indexes --
-- The indexes that some profile searches by Lance, a version that is still being made included.
select i.id, i.name, i.table_name, i.dimensions, i.lance from lakeward.vector_index i
where i.state <> 'retired' and exists (
  select from lakeward.binding b join lakeward.profile p on p.id = b.profile_id
  where b.relation_id = i.relation_id and p.vector_backend = 'lance'
)
order by i.table_name;

-- table_names --
select i.table_name from lakeward.vector_index i;

-- set_state --
update lakeward.vector_index set lance = %(state)s where id = %(id)s;

-- writers --
-- Who holds the lock that an INSERT into the table takes before it draws a chunk id.
select l.pid || ' ' || l.virtualtransaction from pg_locks l
where l.relation = to_regclass(%(chunks)s) and l.mode = 'RowExclusiveLock' and l.granted
  and l.database = (select d.oid from pg_database d where d.datname = current_database());

-- is_waiting --
select exists (
  select from lakeward.job where kind = 'lance' and subject = %(name)s and state in ('queued', 'running')
);
