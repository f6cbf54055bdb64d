-- relations --
-- Of the words of a query, those that are relations the scope's role may read, with their columns.
select r.name, coalesce(p.schema_name, 'lake') as schema_name,
  array_agg(c.name order by c.position) as names, array_agg(c.type order by c.position) as types
from lakeward.relation r
join lakeward.dataset_column c on c.dataset_id = r.id
left join lakeward.profile p on p.id = %(profile)s
where r.name = any(%(words)s)
group by r.name, p.schema_name
order by r.name;
