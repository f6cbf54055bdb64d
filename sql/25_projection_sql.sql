-- The columns of plan_columns that are shown, as the SELECT list over a row of the base that is called d.
create or replace function lakeward.projection_sql(
  relation bigint, clearance text, default_action text, keep_prefix integer, keep_suffix integer
) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(
    format('%s as %I', lakeward.redaction_sql(format('d.%I', c.name), c.base_type, c.action, c.prefix, c.suffix), c.name),
    ', ' order by c.ordinal
  )
  from lakeward.plan_columns(relation, clearance, default_action, keep_prefix, keep_suffix) c
  where c.shown
$$;
