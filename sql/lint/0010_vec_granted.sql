-- A right on an index's tables that no lakeward.index_reader accounts for, or more than that reader needs.
-- Why: no row security in vec says what is shown, so that none stands between a search and HNSW; the grant is the check. A
-- reader gets the chunks without their row keys, the texts, the count of what is pending, and its own view of hits.
with held as (
  select c.relname::text as relname, a.column_name, a.grantee, a.privilege_type
  from pg_class c
  cross join lateral (
    select null::text as column_name, x.grantee, x.privilege_type from aclexplode(c.relacl) x
    union all
    select t.attname, x.grantee, x.privilege_type
    from pg_attribute t cross join lateral aclexplode(t.attacl) x
    where t.attrelid = c.oid and t.attacl is not null
  ) a
  where c.relnamespace = 'vec'::regnamespace and a.grantee <> c.relowner
),
allowed as (
  select t.relname, t.column_name, x.role_name
  from lakeward.index_reader x
  join lakeward.vector_index i on i.id = x.index_id
  cross join lateral (
    values (i.table_name, 'chunk_id'), (i.table_name, 'chunk_no'), (i.table_name, 'embedding'), (i.table_name || '_text', null),
    (i.table_name || '_pending', 'seq'), (i.table_name || '_pending', 'since'), (format('hits_%s_%s', x.index_id, x.binding_id), null)
  ) t (relname, column_name)
  union all
  select t.relname, t.column_name, d.steward_role
  from lakeward.vector_index i
  cross join lakeward.deployment d
  cross join lateral (
    values (i.table_name, null), (i.table_name || '_text', null), (i.table_name || '_pending', 'seq'),
    (i.table_name || '_pending', 'since'), (i.table_name || '_pending', 'reason')
  ) t (relname, column_name)
  union all
  select i.table_name, null, d.gate_role from lakeward.vector_index i cross join lakeward.deployment d
)
select format('vec.%I', held.relname) as object,
  format(
    '%s has %s%s', case held.grantee when 0 then 'PUBLIC' else pg_get_userbyid(held.grantee)::text end,
    held.privilege_type, ' of ' || held.column_name
  ) as detail
from held
where not (
  held.privilege_type = 'SELECT'
  and held.grantee <> 0
  and exists (
    select from allowed
    where allowed.relname = held.relname and allowed.role_name = pg_get_userbyid(held.grantee)
      and allowed.column_name is not distinct from held.column_name
  )
)
