-- views --
-- As the steward: all safe views with what they are made of, by name, keyset by name; one when `name` is given.
select v.name, d.name as base_dataset, v.columns, b.row_filter, v.redactions, v.description, v.created_at, v.created_by
from lakeward.safe_view v
join lakeward.safe_view_base b on b.view_id = v.id
join lakeward.dataset d on d.id = b.base_id
where (%(name)s::text is null or v.name = %(name)s) and (%(after)s::text is null or v.name > %(after)s)
order by v.name
limit %(limit)s;

-- views_of_reader --
-- As a profile: those it is bound to. What a view is made of is in a table that no reader may read.
select v.name, null::text as base_dataset, v.columns, null::text as row_filter, v.redactions, v.description,
  v.created_at, '' as created_by
from lakeward.safe_view v
where (%(name)s::text is null or v.name = %(name)s) and (%(after)s::text is null or v.name > %(after)s)
order by v.name
limit %(limit)s;

-- find_relation --
select r.id, r.kind from lakeward.relation r where r.name = %(name)s;

-- create_relation --
insert into lakeward.relation (name, kind) values (%(name)s, 'view') returning id;

-- create_view --
insert into lakeward.safe_view (id, name, columns, redactions, description, created_by)
values (%(id)s, %(name)s, %(columns)s, %(redactions)s, %(description)s, %(created_by)s);

-- create_base --
-- The view in lake and its readers' views follow this row (sql/30_on_safe_view.sql).
insert into lakeward.safe_view_base (view_id, base_id, row_filter, filter_tree)
values (%(id)s, %(base_id)s, %(row_filter)s, %(filter_tree)s);

-- update_view --
update lakeward.safe_view set columns = %(columns)s, redactions = %(redactions)s, description = %(description)s
where id = %(id)s;

-- update_base --
update lakeward.safe_view_base set base_id = %(base_id)s, row_filter = %(row_filter)s, filter_tree = %(filter_tree)s
where view_id = %(id)s;

-- rebind --
-- A view may move to another dataset; its bindings remember which one it is.
update lakeward.binding set base_id = %(base_id)s where relation_id = %(id)s and base_id <> %(base_id)s;

-- view_users --
select
  array(select i.name from lakeward.vector_index i where i.relation_id = %(id)s and i.state = 'live' order by 1) as indexes,
  array(select b.profile_id from lakeward.binding b where b.relation_id = %(id)s order by 1) as profiles;

-- delete_relation --
delete from lakeward.relation where id = %(id)s;
