"""Who may migrate: a superuser, or who owns the database and may create roles. Others are told why not."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.db import bootstrap
from app.db.deployment import Deployment, find_credentials
from app.db.lint import run_lints
from app.db.migrate import migrate
from app.db.scope import Transaction
from app.errors import UnavailableError

PASSWORD = "migrates-without-being-superuser"


@contextmanager
def login(cluster: Any, attributes: str) -> Iterator[str]:
    """A login of its own kind, dropped afterwards with all that it made."""
    name = f"migrator_{secrets.token_hex(4)}"
    with cluster.connect() as connection:
        connection.execute(
            sql.SQL("create role {} login {} password {}").format(
                sql.Identifier(name), sql.SQL(attributes), sql.Literal(PASSWORD)
            )
        )
        try:
            yield name
        finally:
            made = connection.execute(
                # roles that it created, and roles that those created
                "with recursive made as (select roleid from pg_auth_members m"
                " join pg_roles u on u.oid = m.member where u.rolname = %s and m.admin_option"
                " union select m.roleid from pg_auth_members m join made on made.roleid = m.member"
                " where m.admin_option) select rolname from pg_roles where oid in (select roleid from made)",
                [name],
            ).fetchall()
            for (role,) in [*made, (name,)]:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


@contextmanager
def owned_database(cluster: Any, user: str, vector_in: str | None, *, usable: bool = True) -> Iterator[str]:
    """A database that belongs to `user`, with pgvector put into a schema by a superuser."""
    name = cluster.create_database("lakeward_owned")
    try:
        with cluster.alone(), closing(cluster.connect(name)) as connection:
            connection.execute(
                sql.SQL(
                    "drop extension if exists vector; drop schema if exists ext; alter database {} owner to {}"
                ).format(sql.Identifier(name), sql.Identifier(user))
            )
            if vector_in is not None:
                connection.execute(
                    sql.SQL("create schema if not exists {0}; create extension vector schema {0}").format(
                        sql.Identifier(vector_in)
                    )
                )
                if usable:
                    connection.execute(
                        sql.SQL("grant usage on schema {} to public").format(sql.Identifier(vector_in))
                    )
            yield make_conninfo(cluster.dsn(name), user=user, password=PASSWORD)
    finally:
        cluster.drop_database(name)


@pytest.fixture(params=["cluster", "cluster16"])
def server(request: pytest.FixtureRequest) -> Any:
    """Both supported versions, one after the other."""
    found = request.getfixturevalue(request.param)
    if not found.is_superuser():
        pytest.skip("only a superuser can prepare a database for another")
    return found


def create_world(dsn: str, deployment: Deployment) -> str:
    """A dataset of one row and a profile bound to it, through the catalog's rows; the profile's role."""
    role = f"{deployment.profile_prefix}reader"
    with closing(psycopg.connect(dsn, autocommit=True)) as connection, connection.transaction():
        connection.execute("select set_config('role', %s, true)", [deployment.steward_role])
        connection.execute("insert into lakeward.relation (name, kind) values ('people', 'dataset')")
        connection.execute(
            "insert into lakeward.dataset (id, name, home, row_key)"
            " select id, name, 'table', 'id' from lakeward.relation"
        )
        connection.execute(
            "insert into lakeward.dataset_column (dataset_id, position, name, source_name, type)"
            " select id, 0, 'id', 'id', 'bigint' from lakeward.relation"
        )
        connection.execute("select lakeward.create_dataset_table(id) from lakeward.relation")
        connection.execute(
            "insert into lakeward.profile (id, role_name, schema_name) values ('reader', %s, 'p_reader')",
            [role],
        )
        connection.execute(
            "insert into lakeward.binding select 'reader', id, %s from lakeward.relation", [role]
        )
        connection.execute(
            "insert into lakeward.vector_index (name, relation_id, text_columns, chunk_size, chunk_overlap,"
            " provider, model_name, model_version, dimensions, row_key)"
            " select 'people_id', id, '{id}', 1000, 100, 'fake', 'fake', '1', 3, 'id' from lakeward.relation"
        )
        connection.execute("select set_config('role', %s, true)", [deployment.owner_role])
        connection.execute("insert into lake.people values (1)")
    return role


@pytest.mark.parametrize("schema", ["ext", "public"])
async def test_a_login_with_createrole_that_owns_the_database_can_do_all_of_it(
    server, schema, tmp_path: Path
):
    with login(server, "createrole") as user, owned_database(server, user, schema) as dsn:
        deployment = migrate(dsn, tmp_path)
        assert deployment.ext_schema == schema
        assert migrate(dsn, tmp_path) == deployment
        credentials = find_credentials(tmp_path)
        assert credentials is not None
        service = make_conninfo(dsn, user=credentials.user, password=credentials.password)
        role = create_world(service, deployment)
        async with await psycopg.AsyncConnection.connect(service) as connection:
            await connection.execute("select set_config('role', %s, true)", [deployment.owner_role])
            assert await run_lints(Transaction(connection)) == []
            await connection.execute("select set_config('role', %s, true)", [role])
            cursor = await connection.execute("select id from p_reader.people")
            assert await cursor.fetchall() == [(1,)]
            cursor = await connection.execute("select count(seq) from vec.people_id_pending")
            assert await cursor.fetchall() == [(1,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute("select from lake.people")
        with closing(psycopg.connect(service, autocommit=True)) as connection, connection.transaction():
            connection.execute("select set_config('role', %s, true)", [deployment.steward_role])
            connection.execute("delete from lakeward.profile")


def test_a_login_without_createrole_is_told_what_it_lacks(server, tmp_path: Path):
    with (
        login(server, "nocreaterole") as user,
        owned_database(server, user, "ext") as dsn,
        pytest.raises(UnavailableError, match="owns the database and has CREATEROLE"),
    ):
        migrate(dsn, tmp_path)
    assert not (tmp_path / "service.json").exists()


def test_a_login_that_may_not_install_pgvector_is_told_the_statement(server, tmp_path: Path):
    with (
        login(server, "createrole") as user,
        owned_database(server, user, None) as dsn,
        pytest.raises(UnavailableError, match="create extension vector schema ext"),
    ):
        migrate(dsn, tmp_path)


def test_a_pgvector_that_nobody_may_use_is_told_the_statement(server, tmp_path: Path):
    with (
        login(server, "createrole") as user,
        owned_database(server, user, "ext", usable=False) as dsn,
        pytest.raises(UnavailableError, match='grant usage on schema "ext" to public'),
    ):
        migrate(dsn, tmp_path)


def test_a_server_that_is_too_old_is_refused(deployed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "MIN_SERVER_VERSION", 990000)
    with pytest.raises(UnavailableError, match="is too old; Lakeward needs 99 or newer"):
        migrate(deployed.dsn, deployed.home)


def test_a_pgvector_that_is_too_old_is_refused(deployed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "MIN_VECTOR_VERSION", (99, 0, 0))
    with pytest.raises(UnavailableError, match=r"pgvector .* is too old; Lakeward needs 99\.0\.0 or newer"):
        migrate(deployed.dsn, deployed.home)


def test_a_database_that_gives_text_back_as_bytes_is_refused(cluster, tmp_path: Path):
    name = f"lakeward_ascii_{secrets.token_hex(4)}"
    with cluster.connect() as connection:
        connection.execute(
            sql.SQL("create database {} encoding 'SQL_ASCII' locale 'C' template template0").format(
                sql.Identifier(name)
            )
        )
    try:
        with pytest.raises(UnavailableError, match=f"{name} is in SQL_ASCII, .* encoding 'UTF8'"):
            migrate(cluster.dsn(name), tmp_path)
    finally:
        cluster.drop_database(name)


def test_a_server_that_is_away_is_named(tmp_path: Path):
    with pytest.raises(UnavailableError, match="Postgres cannot be reached"):
        migrate(f"host={tmp_path} dbname=none", tmp_path)


def test_a_second_deployment_on_the_server_has_roles_of_its_own(deployed, cluster, tmp_path: Path):
    name = cluster.create_database("lakeward_second")
    try:
        with cluster.alone():
            other = migrate(cluster.dsn(name), tmp_path)
        ours = deployed.deployment
        assert not {other.owner_role, other.gate_role, other.steward_role, other.service_role} & {
            ours.owner_role,
            ours.gate_role,
            ours.steward_role,
            ours.service_role,
        }
    finally:
        cluster.drop_database(name)
    cluster.drop_deployment_roles(other)
