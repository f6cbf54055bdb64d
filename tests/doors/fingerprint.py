"""What a database is, as hashes by name: every row of Lakeward's schemas, and the catalog that says who may what."""

from typing import Any

import psycopg
from psycopg import sql

SCHEMAS = ["lake", "lakeward", "vec", "jobs", "record", "public", "ext"]
#: Written by reads, by the job that seals, and by heartbeats.
RESTLESS = ["audit_entry%", "journal_seal", "procrastinate_workers"]
#: For each catalog, what of it an escape could change. `own` are the roles of the reader itself: what anybody may make
#: for oneself (large objects, default privileges, one's own password and settings) is no escape, and goes with one.
CATALOG = {
    "class": (
        "select n.nspname, c.relname, c.relkind, c.relacl::text, c.reloptions, c.relrowsecurity, c.relforcerowsecurity,"
        " c.relowner::regrole, c.relhasrules, c.relhastriggers, c.relpersistence"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname not like 'pg\\_t%%'"
    ),
    "attribute": (
        "select attrelid::regclass, attname, attacl::text, atttypid::regtype, attstattarget from pg_attribute"
        " where attnum > 0 and attrelid >= 16384"
    ),
    "view": "select oid::regclass, pg_get_viewdef(oid) from pg_class where relkind in ('v', 'm') and oid >= 16384",
    "function": (
        "select oid::regprocedure, md5(prosrc), proacl::text, proowner::regrole, proconfig, prosecdef, proleakproof"
        " from pg_proc"
    ),
    "policy": "select polrelid::regclass, polname, polroles, pg_get_expr(polqual, polrelid) from pg_policy",
    "trigger": "select tgrelid::regclass, tgname, tgenabled, tgfoid::regproc from pg_trigger",
    "rule": "select ev_class::regclass, rulename, ev_enabled from pg_rewrite where ev_class >= 16384",
    "constraint": "select conrelid::regclass, conname, pg_get_constraintdef(oid) from pg_constraint",
    "namespace": "select nspname, nspacl::text, nspowner::regrole from pg_namespace where nspname not like 'pg\\_t%%'",
    "role": (
        "select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,"
        " rolconnlimit, rolvaliduntil, case when rolname <> all (%(own)s) then md5(rolpassword) end from pg_authid"
    ),
    "member": "select roleid::regrole, member::regrole, admin_option, inherit_option, set_option from pg_auth_members",
    "setting": (
        "select setdatabase, setrole::regrole, setconfig from pg_db_role_setting"
        " where setrole::regrole::text <> all (%(own)s)"
    ),
    "default privilege": (
        "select defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl::text from pg_default_acl"
        " where defaclrole::regrole::text <> all (%(own)s)"
    ),
    "large object": (
        "select oid, lomowner::regrole, lomacl::text from pg_largeobject_metadata"
        " where lomowner::regrole::text <> all (%(own)s)"
    ),
    "database": "select datname, datdba::regrole, datacl::text from pg_database where datname = current_database()",
    "parameter": "select parname, paracl::text from pg_parameter_acl",
    "extension": "select extname, extversion, extnamespace::regnamespace from pg_extension",
    "type": "select count(*) from pg_type",
    "operator": "select count(*) from pg_operator",
    "cast": "select count(*) from pg_cast",
    "language": "select lanname, lanacl::text from pg_language",
    "event trigger": "select evtname from pg_event_trigger",
    "publication": "select pubname from pg_publication",
    "subscription": (
        "select subname from pg_subscription s join pg_database d on d.oid = s.subdbid"
        " where d.datname = current_database()"
    ),
    "foreign server": "select srvname from pg_foreign_server union all select fdwname from pg_foreign_data_wrapper",
    "tablespace": "select spcname, spcacl::text from pg_tablespace",
    "statistics": "select stxname from pg_statistic_ext",
    "collation": "select count(*) from pg_collation",
    "text search": "select cfgname from pg_ts_config union all select dictname from pg_ts_dict",
    "comment": "select count(*) from pg_description",
    "label": "select count(*) from pg_seclabel",
    "prepared": "select count(*) from pg_prepared_xacts where database = current_database()",
}


def take_fingerprint(admin: psycopg.Connection[Any], own: list[str]) -> dict[str, str]:
    """By name of a catalog or a table, what is in it; two of them are equal when nothing was changed."""
    found: dict[str, str] = {}
    for name, query in CATALOG.items():
        rows = admin.execute(query.encode(), {"own": own}).fetchall()
        found[name] = "\n".join(sorted(map(repr, rows)))
    profiles = [schema for (schema,) in admin.execute("select schema_name from lakeward.profile").fetchall()]
    tables = admin.execute(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = any(%s) and c.relkind in ('r', 'p') and c.relname not like all(%s) order by 1, 2",
        [SCHEMAS + profiles, RESTLESS],
    ).fetchall()
    for table in tables:
        statement = sql.SQL(
            "select count(*)::text || ' rows, ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '')"
            " from {} t"
        ).format(sql.Identifier(*table))
        row = admin.execute(statement).fetchone()
        assert row is not None
        found[".".join(table)] = row[0]
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, list[str]]:
    """What differs, by name: the lines that are only in one of the two."""
    return {
        name: sorted(set(before.get(name, "").split("\n")) ^ set(after.get(name, "").split("\n")))[:6]
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
