-- What a reader with this clearance sees of a relation, column by column, and why: the one place that decides it.
-- Reader views, the shared safe views, explain and diff are all made of it. Every column of the base is in the answer, those
-- that are not shown with shown = false.
-- A view is the admin's own decision: its redactions count, not the clearance. A dataset is raw: what is above the
-- clearance gets the role's default action, or null where that does not fit the type; a column that was added later is
-- closed until it is classified.
create or replace function lakeward.plan_columns(
  relation bigint, clearance text, default_action text, keep_prefix integer, keep_suffix integer
)
returns table (
  ordinal integer, name text, base_type text, type text, sensitivity text, action text, prefix integer, suffix integer,
  shown boolean, reason text
)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.position, c.name, c.type, lakeward.redacted_type(c.type, a.action), c.sensitivity, a.action,
    case a.action when 'mask' then plan_columns.keep_prefix end, case a.action when 'mask' then plan_columns.keep_suffix end,
    c.sensitivity <> 'unclassified',
    case
      when c.sensitivity = 'unclassified' then 'not classified yet, so nobody but an admin sees it'
      when a.action is null then format('it is %s, the clearance is %s', c.sensitivity, plan_columns.clearance)
      else format('it is %s, above the clearance %s: %s', c.sensitivity, plan_columns.clearance, a.action)
    end
  from lakeward.dataset_column c
  cross join lateral (
    select case
      when lakeward.sensitivity_level(c.sensitivity) <= lakeward.sensitivity_level(plan_columns.clearance) then null
      when lakeward.redacted_type(c.type, plan_columns.default_action) is null then 'null'
      else plan_columns.default_action
    end as action
  ) a
  where c.dataset_id = plan_columns.relation
  union all
  select coalesce(array_position(v.columns, c.name), 10000 + c.position), c.name, c.type,
    lakeward.redacted_type(c.type, r.action), c.sensitivity, r.action, r.prefix, r.suffix, c.name = any(v.columns),
    case
      when c.name <> all(v.columns) then 'the view does not list it'
      when r.action is null then 'the view lists it as it is'
      else format('the view redacts it: %s', r.action)
    end
  from lakeward.safe_view v
  join lakeward.safe_view_base b on b.view_id = v.id
  join lakeward.dataset_column c on c.dataset_id = b.base_id
  cross join lateral (
    select v.redactions #>> array[c.name, 'action'] as action,
      (v.redactions #>> array[c.name, 'keep_prefix'])::integer as prefix,
      (v.redactions #>> array[c.name, 'keep_suffix'])::integer as suffix
  ) r
  where v.id = plan_columns.relation
  order by 1
$$;
