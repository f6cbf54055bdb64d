-- A policy for named roles instead of PUBLIC.
-- Why: a cached plan keeps the policies of the role it was made for (CVE-2026-14666), and DROP OWNED BY edits policies
-- that name a role (CVE-2026-116311). Bindings are rows; policies compare with current_user.
select format('%I.%I', n.nspname, c.relname) as object, format('policy %I names a role', p.polname) as detail
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_namespace n on n.oid = c.relnamespace
where (n.nspname in ('lakeward', 'lake', 'vec', 'jobs') or n.nspname in (select schema_name from lakeward.profile))
  and p.polroles <> '{0}'::oid[]
