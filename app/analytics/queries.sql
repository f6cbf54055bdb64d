-- relations --
-- Of the words of a query, those that are relations the scope's role may read, with their columns.
-- What is there to be read says it, not the catalog: the reader's own view, masks included.
select r.name, n.nspname::text as schema_name, array_agg(a.attname::text order by a.attnum) as names,
  array_agg(case format_type(a.atttypid, null)
    when 'time without time zone' then 'time'
    when 'timestamp without time zone' then 'timestamp'
    when 'timestamp with time zone' then 'timestamptz'
    else format_type(a.atttypid, null)
  end order by a.attnum) as types
from lakeward.relation r
left join lakeward.profile p on p.id = %(profile)s
join pg_namespace n on n.nspname = coalesce(p.schema_name, 'lake')
join pg_class c on c.relname = r.name and c.relnamespace = n.oid and c.relkind in ('r', 'v')
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where r.name = any(%(words)s)
group by r.name, n.nspname
order by r.name;
