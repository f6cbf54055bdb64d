-- The SQL for the image of a row: its JSON, from which jsonb_populate_record makes the same row again. Three values would not
-- survive that: minus zero, the JSON null (it would be SQL's) and an array that does not begin at 1. They are in the image
-- a second time as text, under '', which no column is called; lakeward.undo_tombstones reads them there.
create or replace function lakeward.image_sql(home regclass, alias text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when count(*) = 0 then format('to_jsonb(%s.*)', alias) else format(
    'case when %s then to_jsonb(%s.*) || jsonb_build_object('''', jsonb_strip_nulls(jsonb_object(array[%s], array[%s]))) '
    'else to_jsonb(%2$s.*) end',
    string_agg(lossy.test, ' or ' order by lossy.attnum), alias, string_agg(quote_literal(lossy.attname), ', ' order by lossy.attnum),
    string_agg(format('case when %s then %I.%I::text end', lossy.test, alias, lossy.attname), ', ' order by lossy.attnum)
  ) end
  from (
    select a.attnum, a.attname, case a.atttypid
      when 'double precision'::regtype then format('(%1$I.%2$I = 0 and %1$I.%2$I::text = ''-0'')', alias, a.attname)
      when 'jsonb'::regtype then format('%I.%I = ''null''', alias, a.attname)
      else format('array_dims(%I.%I) !~ ''^(\[1:[0-9]+\])+$''', alias, a.attname)
    end as test
    from pg_attribute a
    where a.attrelid = home and a.attnum > 0 and not a.attisdropped
      and a.atttypid in ('double precision'::regtype, 'jsonb'::regtype, 'text[]'::regtype)
  ) lossy
$$;
