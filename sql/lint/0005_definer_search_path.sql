-- A SECURITY DEFINER function whose search_path the caller chooses, or that looks into pg_temp first.
-- Why: whoever chooses the path chooses which tables and operators the owner's rights are used on. pg_temp is searched
-- first unless it is listed, so it is listed last.
select p.oid::regprocedure::text as object,
  coalesce('it runs with ' || path.setting, 'its search_path is the caller''s') as detail
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
left join lateral (
  select s as setting from unnest(p.proconfig) s where starts_with(s, 'search_path=')
) path on true
where (
    n.nspname in ('lakeward', 'record', 'lake', 'vec', 'jobs') or n.nspname in (select schema_name from lakeward.profile)
  )
  and p.prosecdef
  and (path.setting is null or path.setting !~ '\mpg_temp$')
