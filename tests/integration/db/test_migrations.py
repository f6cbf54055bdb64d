"""What a migration leaves behind: the described schema, the same a second time, nothing when it fails."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, inspect

import app.access.tables
import app.catalog.tables
import app.jobs.tables
import app.journal.tables
import app.profiles.tables
import app.tombstones.tables
import app.vectors.tables
import app.views.tables  # noqa: F401  each import registers its tables
from app.db import install as installing
from app.db.bootstrap import find_deployment
from app.db.metadata import metadata
from app.db.migrate import head_revision, migrate
from app.db.resources import ALEMBIC_INI, SQL

#: Everything of a schema that a statement in sql/ or migrations/ can set, as sorted text.
CATALOG = """
with area as (
  select oid, nspname, nspacl, pg_get_userbyid(nspowner) as owner from pg_namespace
  where nspname in ('lakeward', 'lake', 'vec', 'jobs', 'ext', 'public')
)
select format('schema %s %s %s', nspname, owner, nspacl) as line from area
union all
select format('relation %s.%s %s %s %s rls=%s %s', nspname, relname, relkind, pg_get_userbyid(relowner),
    relacl, relrowsecurity, reloptions)
  from pg_class c join area on area.oid = relnamespace
union all
select format('column %s.%s.%s %s %s %s %s', nspname, relname, attname, format_type(atttypid, atttypmod),
    attnotnull, attacl, pg_get_expr(adbin, adrelid))
  from pg_attribute a join pg_class c on c.oid = attrelid join area on area.oid = relnamespace
  left join pg_attrdef d on d.adrelid = attrelid and d.adnum = attnum
  where attnum > 0 and not attisdropped
union all
select format('constraint %s.%s %s', nspname, conname, pg_get_constraintdef(c.oid))
  from pg_constraint c join area on area.oid = connamespace
union all
select format('index %s', pg_get_indexdef(i.indexrelid))
  from pg_index i join pg_class c on c.oid = i.indexrelid join area on area.oid = relnamespace
union all
select format('policy %s.%s %s %s %s %s', relname, polname, polcmd, polroles, pg_get_expr(polqual, polrelid),
    pg_get_expr(polwithcheck, polrelid))
  from pg_policy join pg_class c on c.oid = polrelid join area on area.oid = relnamespace
union all
select format('trigger %s', pg_get_triggerdef(t.oid))
  from pg_trigger t join pg_class c on c.oid = tgrelid join area on area.oid = relnamespace
  where not tgisinternal
union all
select format('function %s %s %s %s', p.oid::regprocedure, pg_get_userbyid(proowner), proacl,
    pg_get_functiondef(p.oid))
  from pg_proc p join area on area.oid = pronamespace
  where prokind = 'f' and area.nspname in ('lakeward', 'jobs')
union all
select format('type %s.%s', nspname, typname) from pg_type join area on area.oid = typnamespace
union all
select format('database %s', datacl) from pg_database where datname = current_database()
union all
select format('member %s of %s %s %s %s', u.rolname, g.rolname, admin_option, inherit_option, set_option)
  from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles u on u.oid = m.member
  where g.rolname ~ '^lw[0-9a-f]*_(owner|gate|steward|service)$'
order by line
"""


def catalog(dsn: str) -> list[str]:
    with closing(psycopg.connect(dsn)) as connection:
        return [line for (line,) in connection.execute(CATALOG)]


@contextmanager
def empty_database(cluster: Any) -> Iterator[str]:
    """A database nobody has migrated; whatever roles a migration of it made are gone afterwards."""
    name = cluster.create_database("lakeward_empty")
    with cluster.alone(), closing(cluster.connect()) as connection:
        before = connection.execute("select array_agg(rolname) from pg_roles").fetchone()
        try:
            yield cluster.dsn(name)
        finally:
            cluster.drop_database(name)
            made = connection.execute(
                "select string_agg(quote_ident(rolname), ', ') from pg_roles"
                " where rolname <> all(%s) and rolname ~ '^lw[0-9a-f]*_(owner|gate|steward|service)$'",
                before,
            ).fetchone()
            if made is not None and made[0]:
                connection.execute(f"drop role {made[0]}")


@pytest.fixture
def empty(cluster) -> Iterator[str]:
    with empty_database(cluster) as dsn:
        yield dsn


@pytest.fixture
def empty16(cluster16) -> Iterator[str]:
    with empty_database(cluster16) as dsn:
        yield dsn


def test_there_is_one_head():
    script = ScriptDirectory.from_config(Config(str(ALEMBIC_INI)))
    assert script.get_heads() == [head_revision()]


def test_the_tables_are_as_they_are_described(deployed):
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(deployed.dsn), poolclass=NullPool
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "lakeward",
                "version_table": "schema_version",
                "version_table_schema": "lakeward",
            },
        )
        assert compare_metadata(context, metadata) == []


def test_the_checks_are_as_they_are_described(deployed):
    """Alembic does not compare CHECKs: their names at least must agree, and a violation shows the name."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(deployed.dsn), poolclass=NullPool
    )
    with engine.connect() as connection:
        inspector = inspect(connection)
        for table in metadata.tables.values():
            described = {
                str(c.name) for c in table.constraints if c.__visit_name__.endswith("check_constraint")
            }
            present = {c["name"] for c in inspector.get_check_constraints(table.name, schema="lakeward")}
            assert present == described, table.name


@pytest.mark.parametrize("where", ["empty", "empty16"])
def test_migrating_twice_is_migrating_once(where, request, tmp_path: Path):
    dsn = request.getfixturevalue(where)
    first = migrate(dsn, tmp_path)
    credentials = (tmp_path / "service.json").read_bytes()
    once = catalog(dsn)
    assert len(once) > 300
    assert migrate(dsn, tmp_path) == first
    assert catalog(dsn) == once
    assert (tmp_path / "service.json").read_bytes() == credentials


def test_an_upgrade_keeps_what_is_there(world, tmp_path: Path):
    """Installing sql/ again over a database in use changes nothing of it."""
    before = catalog(world.deployed.dsn)
    migrate(world.deployed.dsn, world.deployed.home)
    assert catalog(world.deployed.dsn) == before


def test_two_at_once_run_one_after_the_other(empty, tmp_path: Path):
    failures: list[BaseException] = []

    def run(home: Path) -> None:
        try:
            migrate(empty, home)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(tmp_path,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with closing(psycopg.connect(empty)) as connection:
        assert find_deployment(connection) is not None


def test_a_file_that_fails_leaves_nothing(empty, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "sql"
    shutil.copytree(SQL, folder)
    (folder / "95_broken.sql").write_text("-- Broken.\nselect no_such_column;\n")
    monkeypatch.setattr(installing.install, "__defaults__", (folder,))
    before = catalog(empty)
    with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
        migrate(empty, tmp_path / "home")
    assert "in 95_broken.sql" in caught.value.__notes__
    assert catalog(empty) == before
    assert not (tmp_path / "home").exists()


def test_nothing_but_functions_policies_triggers_and_grants_is_in_sql():
    """sql/ is installed again after every upgrade: what bears data belongs into migrations/."""
    for path in installing.list_sql_files():
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("--"))
        outside_strings = text.split("$$")[0]
        assert "create table" not in outside_strings, path.name


def test_a_clone_has_the_rights_of_its_template(clone: Callable[[], AbstractContextManager[Any]]):
    """CREATE DATABASE ... TEMPLATE does not copy the database's own rights; bootstrap puts them right."""
    with clone() as one, closing(psycopg.connect(one.dsn)) as connection:
        row = connection.execute(
            "select has_database_privilege(%s, current_database(), 'temporary')",
            [one.deployment.steward_role],
        ).fetchone()
        assert row == (False,)
