-- A row filter's tree (app/views/filter.py) as a boolean SQL expression over the row alias d. What the tree says is not
-- believed: names are quoted, literals are checked, an operator, function or type that is not named here is an error.
-- Text is ordered, and its case folded, by collation "C": by code point, ASCII letters only, as the other engine does it.
create or replace function lakeward.filter_sql(tree jsonb) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  op text := tree ->> 'op';
  args text[];
  folded text[];
  ordered text;
  arity int4range;
begin
  if tree ? 'column' and lakeward.column_type(tree ->> 'type') is not null then
    return format('d.%I', tree ->> 'column');
  elsif tree ? 'literal' then
    return lakeward.filter_literal(tree ->> 'type', tree ->> 'literal');
  end if;
  arity := case
    when op in ('and', 'or', 'coalesce', 'in') then '[2,)'
    when op in ('not', 'is_null', 'is_true', 'is_false', 'lower', 'upper', 'trim', 'length') then '[1,1]'
    when op in ('eq', 'ne', 'lt', 'le', 'gt', 'ge', 'distinct', 'not_distinct', 'like', 'ilike') then '[2,2]'
    when op = 'between' then '[3,3]'
  end;
  if arity is null or jsonb_typeof(tree -> 'args') is distinct from 'array'
    or not jsonb_array_length(tree -> 'args') <@ arity
  then
    raise invalid_parameter_value using message = 'this is not a row filter''s tree: ' || coalesce(left(tree::text, 200), 'null');
  end if;
  args := array(
    select lakeward.filter_sql(a.value)
    from jsonb_array_elements(tree -> 'args') with ordinality a (value, place) order by a.place
  );
  folded := array(select format('(%s collate "C")', a.value) from unnest(args) with ordinality a (value, place) order by a.place);
  -- equality asks for no order, and without a collation of its own it can use the column's index
  ordered := case when tree #>> '{args,0,type}' = 'text' then folded[1] else args[1] end;
  return case op
    when 'and' then format('(%s)', array_to_string(args, ' and '))
    when 'or' then format('(%s)', array_to_string(args, ' or '))
    when 'not' then format('(not %s)', args[1])
    when 'is_null' then format('(%s is null)', args[1])
    when 'is_true' then format('(%s is true)', args[1])
    when 'is_false' then format('(%s is false)', args[1])
    when 'eq' then format('(%s = %s)', args[1], args[2])
    when 'ne' then format('(%s <> %s)', args[1], args[2])
    when 'lt' then format('(%s < %s)', ordered, args[2])
    when 'le' then format('(%s <= %s)', ordered, args[2])
    when 'gt' then format('(%s > %s)', ordered, args[2])
    when 'ge' then format('(%s >= %s)', ordered, args[2])
    when 'between' then format('(%s between %s and %s)', ordered, args[2], args[3])
    when 'distinct' then format('(%s is distinct from %s)', args[1], args[2])
    when 'not_distinct' then format('(%s is not distinct from %s)', args[1], args[2])
    when 'in' then format('(%s in (%s))', args[1], array_to_string(args[2:], ', '))
    when 'like' then format('(%s like %s)', args[1], args[2])
    when 'ilike' then format('(pg_catalog.lower(%s) like pg_catalog.lower(%s))', folded[1], folded[2])
    when 'lower' then format('pg_catalog.lower(%s)', folded[1])
    when 'upper' then format('pg_catalog.upper(%s)', folded[1])
    when 'trim' then format('pg_catalog.btrim(%s, '' '')', args[1])
    when 'length' then format('pg_catalog.char_length(%s)::bigint', args[1])
    when 'coalesce' then format('coalesce(%s)', array_to_string(args, ', '))
  end;
end $$;
