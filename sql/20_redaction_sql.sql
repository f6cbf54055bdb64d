-- SQL text of a redacted value, to be written into a view: no function of ours is called per row. `expression` is SQL text
-- that the caller quoted; the result has the type lakeward.redacted_type(type, action).
--   none, or no action   the value itself
--   null                 NULL
--   hash                 HMAC-SHA256 of the value's text in UTF-8 with the deployment's key, in lower-case hex: equal values
--                        have equal hashes, in every dataset and whatever their type. NULL stays NULL, '' has a hash.
--   mask                 the first keep_prefix and the last keep_suffix characters, and one * for each between. A value of
--                        keep_prefix + keep_suffix characters or fewer is all *: nothing of it is shown. NULL stays NULL,
--                        '' stays ''. Characters are code points, so an accent or a joined emoji counts by its parts.
--   mask_alphanum        one * for each character except the ASCII space and ASCII punctuation. NULL stays NULL, '' stays ''.
--   truncate_to_year, truncate_to_month
--                        the first day, at midnight (UTC for timestamptz), of its year or month, in the same type. NULL
--                        stays NULL.
-- A value's text: bigint in decimal; numeric without trailing zeros after the point, for 1.5 and 1.50 are one value; date
-- as YYYY-MM-DD whatever DateStyle says. A date or time outside the years 1 to 9999, infinity included, becomes NULL.
create or replace function lakeward.redaction_sql(
  expression text, type text, action text, keep_prefix integer, keep_suffix integer
) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  kept integer[] := array[coalesce(keep_prefix, 0), coalesce(keep_suffix, 0)];
  -- every character that mask_alphanum shows, one by one: what a range or a class holds depends on the collation
  shown constant text := $re$[^] !"#$%&'()*+,./:;<=>?@[\\^_`{|}~-]$re$;
  unit text := replace(action, 'truncate_to_', '');
  bare text := format('(%s)', expression);
  value text;
begin
  if lakeward.redacted_type(type, action) is null then
    raise invalid_parameter_value using
      message = format('the redaction %L does not fit a column of type %L', action, type),
      hint = 'The redaction null fits every type.';
  elsif not 0 <= all (kept) or not 1000 >= all (kept) or (kept <> '{0,0}' and action is distinct from 'mask') then
    raise invalid_parameter_value using
      message = 'keep_prefix and keep_suffix go with mask alone, and are 0 to 1000';
  end if;
  value := case type
    when 'text' then bare
    when 'bigint' then bare || '::text'
    when 'numeric' then format('pg_catalog.trim_scale(%s)::text', bare)
    when 'date' then format(
      'case when %1$s between ''0001-01-01''::date and ''9999-12-31''::date '
      'then pg_catalog.to_char(%1$s::timestamp, ''YYYY-MM-DD'') end', bare
    )
  end;
  return case coalesce(action, 'none')
    when 'none' then expression
    when 'null' then format('null::%s', type)
    when 'hash' then format(
      'pg_catalog.encode(pg_catalog.sha256((select s.hmac_outer from lakeward.secret s) || '
      'pg_catalog.sha256((select s.hmac_inner from lakeward.secret s) || pg_catalog.convert_to(%s, ''UTF8''))), ''hex'')',
      value
    )
    when 'mask' then format(
      'case when pg_catalog.char_length(%1$s) <= %4$s then pg_catalog.repeat(''*'', pg_catalog.char_length(%1$s)) '
      'else pg_catalog.left(%1$s, %2$s) || pg_catalog.repeat(''*'', pg_catalog.char_length(%1$s) - %4$s) '
      '|| pg_catalog.right(%1$s, %3$s) end',
      value, kept[1], kept[2], kept[1] + kept[2]
    )
    when 'mask_alphanum' then format('pg_catalog.regexp_replace(%s, %L, ''*'', ''g'')', value, shown)
    else case type
      when 'date' then format(
        'case when %1$s between ''0001-01-01''::date and ''9999-12-31''::date '
        'then pg_catalog.date_trunc(%2$L, %1$s::timestamp)::date end', bare, unit
      )
      when 'timestamp' then format(
        'case when %1$s >= ''0001-01-01''::timestamp and %1$s < ''10000-01-01''::timestamp '
        'then pg_catalog.date_trunc(%2$L, %1$s) end', bare, unit
      )
      when 'timestamptz' then format(
        'case when %1$s >= ''0001-01-01 00:00:00+00''::timestamptz and %1$s < ''10000-01-01 00:00:00+00''::timestamptz '
        'then pg_catalog.date_trunc(%2$L, %1$s, ''UTC'') end', bare, unit
      )
    end
  end;
end $$;
