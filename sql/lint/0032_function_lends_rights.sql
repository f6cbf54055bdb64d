-- A function outside Lakeward's schemas that every reader may execute, and that can do more than the reader.
-- Why: SECURITY DEFINER runs with its owner's rights, often a superuser's; an untrusted language reads files and starts programs;
-- these extensions open connections from the server, past the firewall. A schema that PUBLIC may not use is not asked.
select p.oid::regprocedure::text as object,
  'every reader may execute it, and ' || case
    when p.prosecdef then format('it runs with the rights of %I', pg_get_userbyid(p.proowner))
    when e.extname is not null then format('the extension %I reaches out of the database', e.extname)
    else format('%I is not a trusted language', l.lanname)
  end as detail
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_language l on l.oid = p.prolang
left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
left join pg_extension e on e.oid = d.refobjid
  and e.extname in ('dblink', 'http', 'pg_net', 'aws_s3', 'aws_lambda', 'adminpack', 'plsh', 'pg_file_settings')
where n.nspname not in ('pg_catalog', 'information_schema', 'lakeward', 'record', 'lake', 'vec', 'jobs')
  and n.nspname not in (select schema_name from lakeward.profile)
  and (p.prosecdef or e.extname is not null or not l.lanpltrusted and l.lanname not in ('internal', 'c'))
  and has_schema_privilege('public', n.oid, 'usage')
  and has_function_privilege('public', p.oid, 'execute')
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
