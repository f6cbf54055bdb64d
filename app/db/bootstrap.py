"""What a database needs before its first table: this deployment's roles, schemas and the vector extension.

Runs as whoever migrates: a superuser, or a role that owns the database and has CREATEROLE. Every step is a
no-op the second time.
"""

import secrets

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from app.db.deployment import MIN_SERVER_VERSION, MIN_VECTOR_VERSION, Deployment
from app.errors import UnavailableError

Connection = psycopg.Connection[tuple[object, ...]]
SCHEMAS = ("lakeward", "record", "lake", "vec", "jobs")


def bootstrap(connection: Connection) -> Deployment:
    """Make roles, schemas and extension as they must be, in the connection's transaction.

    Raises:
        UnavailableError: the server is too old, pgvector is missing, or the login may not create roles here.
    """
    connection.execute("select pg_advisory_xact_lock(hashtext('lakeward.migrate'))")
    _check_server(connection)
    ext_schema = _ensure_extension(connection)
    deployment = find_deployment(connection) or _plan_deployment(connection, ext_schema)
    try:
        _ensure_roles(connection, deployment)
        _ensure_schemas(connection, deployment)
        _ensure_maintenance(connection, deployment)
        _ensure_locks(connection, deployment)
    except psycopg.errors.InsufficientPrivilege as exc:
        raise UnavailableError(
            f"cannot prepare the database: {exc.diag.message_primary}; migrate as a superuser, or as a role "
            "that owns the database and has CREATEROLE"
        ) from exc
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation) as exc:
        # roles belong to the server, advisory locks to one database of it
        raise UnavailableError("another deployment is being made on this server; migrate again") from exc
    return deployment


def find_deployment(connection: Connection) -> Deployment | None:
    """The deployment this database has, or None before the first migration."""
    exists = connection.execute("select to_regclass('lakeward.deployment')").fetchone()
    if exists is None or exists[0] is None:
        return None
    owner = connection.execute(
        "select pg_get_userbyid(relowner) from pg_class where oid = 'lakeward.deployment'::regclass"
    ).fetchone()
    assert owner is not None
    with connection.transaction(), connection.cursor(row_factory=class_row(Deployment)) as cursor:
        cursor.execute("select set_config('role', %s, true)", owner)
        row = cursor.execute(
            "select prefix, profile_prefix, owner_role, gate_role, steward_role, service_role, ext_schema "
            "from lakeward.deployment"
        ).fetchone()
        cursor.execute("reset role")
    return row


def _plan_deployment(connection: Connection, ext_schema: str) -> Deployment:
    """Names of a new deployment. Roles belong to the server: the first is plain `lw`, others are longer."""
    taken = connection.execute("select 1 from pg_roles where rolname = 'lw_owner'").fetchone()
    prefix = "lw" if taken is None else f"lw{secrets.token_hex(3)}"
    return Deployment(
        prefix=prefix,
        profile_prefix=f"{prefix}_p_",
        owner_role=f"{prefix}_owner",
        gate_role=f"{prefix}_gate",
        steward_role=f"{prefix}_steward",
        service_role=f"{prefix}_service",
        ext_schema=ext_schema,
    )


def _check_server(connection: Connection) -> None:
    version = connection.info.server_version
    if version < MIN_SERVER_VERSION:
        raise UnavailableError(
            f"Postgres {version // 10000} is too old; Lakeward needs {MIN_SERVER_VERSION // 10000} or newer"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        # what an image or a cluster without a locale makes (SQL_ASCII) takes any bytes, and gives them back as bytes
        raise UnavailableError(
            f"the database {connection.info.dbname} is in {encoding}, which cannot keep every text; make it with: "
            "create database ... encoding 'UTF8' template template0"
        )


def _ensure_extension(connection: Connection) -> str:
    """The schema pgvector is in; created in `ext` when it is not there yet."""
    query = (
        "select n.nspname, e.extversion from pg_extension e "
        "join pg_namespace n on n.oid = e.extnamespace where e.extname = 'vector'"
    )
    found = connection.execute(query).fetchone()
    if found is None:
        try:
            connection.execute("create schema if not exists ext")
            connection.execute("create extension vector schema ext")
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as exc:
            raise UnavailableError(
                "the database has no pgvector and this login may not install it; as a superuser run there: "
                "create schema ext; create extension vector schema ext; grant usage on schema ext to public;"
            ) from exc
        found = connection.execute(query).fetchone()
    assert found is not None
    schema, version = str(found[0]), str(found[1])
    if tuple(int(part) for part in version.split(".")) < MIN_VECTOR_VERSION:
        floor = ".".join(map(str, MIN_VECTOR_VERSION))
        raise UnavailableError(f"pgvector {version} is too old; Lakeward needs {floor} or newer")
    return schema


def _ensure_roles(connection: Connection, deployment: Deployment) -> None:
    wanted = {
        deployment.owner_role: sql.SQL("nologin noinherit createrole"),
        deployment.gate_role: sql.SQL("nologin noinherit"),
        deployment.steward_role: sql.SQL("nologin noinherit"),
        deployment.service_role: sql.SQL("login noinherit"),
    }
    present = {
        row[0]
        for row in connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(wanted)])
    }
    for name, attributes in wanted.items():
        if name not in present:
            connection.execute(sql.SQL("create role {} {}").format(sql.Identifier(name), attributes))
    owner, gate, steward, service = (sql.Identifier(name) for name in wanted)
    set_only = sql.SQL("with inherit false, set true")
    connection.execute(sql.SQL("grant {} to {} {}").format(gate, owner, set_only))
    connection.execute(
        sql.SQL("grant {} to {} {}").format(sql.SQL(", ").join([owner, steward]), service, set_only)
    )
    if not _is_superuser(connection):
        connection.execute(sql.SQL("grant {} to current_user {}").format(owner, set_only))


def _ensure_schemas(connection: Connection, deployment: Deployment) -> None:
    owner = sql.Identifier(deployment.owner_role)
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("grant create on database {} to {}").format(database, owner))
    connection.execute(sql.SQL("revoke create, temporary on database {} from public").format(database))
    connection.execute("revoke all on schema public from public")
    for schema in SCHEMAS:
        connection.execute(
            sql.SQL("create schema if not exists {} authorization {}").format(sql.Identifier(schema), owner)
        )
    _ensure_usage(connection, deployment.ext_schema)


def _ensure_maintenance(connection: Connection, deployment: Deployment) -> None:
    """What erasure needs to turn WAL over, where a superuser migrates: nobody else can give it."""
    if _is_superuser(connection):
        owner = sql.Identifier(deployment.owner_role)
        connection.execute(sql.SQL("grant pg_checkpoint to {} with inherit true, set false").format(owner))
        connection.execute(sql.SQL("grant execute on function pg_switch_wal() to {}").format(owner))


def _ensure_locks(connection: Connection, deployment: Deployment) -> None:
    """Nobody but our own roles takes advisory locks or makes large objects, where a superuser migrates or saw to it.

    A few million locks leave nobody any, and the app's own locks could be held by who guesses their numbers; what is in
    a large object is out of an erasure's reach. Elsewhere sessions with such locks are ended (end_idle_logins).
    """
    row = connection.execute(
        "select string_agg(p.oid::regprocedure::text, ', '), "
        "bool_and(has_function_privilege(p.oid, 'execute with grant option')) from pg_proc p "
        "where p.pronamespace = 'pg_catalog'::regnamespace and (p.proname ~ '^pg_(try_)?advisory_(xact_)?lock' "
        "or p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_put', 'lowrite'))"
    ).fetchone()
    assert row is not None
    functions, granting = sql.SQL(str(row[0])), row[1]
    if not granting:
        return
    ours = [deployment.owner_role, deployment.gate_role, deployment.steward_role, deployment.service_role]
    if _is_superuser(connection):
        connection.execute(sql.SQL("revoke execute on function {} from public").format(functions))
    connection.execute(
        sql.SQL("grant execute on function {} to {}").format(
            functions, sql.SQL(", ").join(map(sql.Identifier, ours))
        )
    )


def _ensure_usage(connection: Connection, ext_schema: str) -> None:
    """Every reader uses the operators in the extension's schema, whose owner may not be who migrates."""
    row = connection.execute(
        "select pg_has_role(current_user, nspowner, 'usage'), exists (select from aclexplode(nspacl) "
        "where grantee = 0 and privilege_type = 'USAGE') from pg_namespace where nspname = %s",
        [ext_schema],
    ).fetchone()
    assert row is not None
    statement = sql.SQL("grant usage on schema {} to public").format(sql.Identifier(ext_schema))
    if row[0]:
        connection.execute(statement)
    elif not row[1]:
        raise UnavailableError(
            "pgvector is in a schema that nobody may use; as its owner run: "
            f"{statement.as_string(connection)};"
        )


def _is_superuser(connection: Connection) -> bool:
    row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
    return row is not None and bool(row[0])
