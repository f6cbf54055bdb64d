"""The Postgres of the tests: one server (per worker under xdist), one migrated template, a clone per test.

The server is `LAKEWARD_TEST_DATABASE_URL` (an admin's URL, superuser or not) when that is set, else the
embedded one; `LAKEWARD_TEST_POSTGRES=16` chooses the older of the two that are embedded. Roles belong to the
whole server, so each clone gives its profiles' roles a prefix of its own.

An oracle (a property that hypothesis attacks) is decorated with `@settings.get_profile(ORACLE)`, where ORACLE is
`os.environ.get("LAKEWARD_HYPOTHESIS", "oracle")`: 200 examples, and 2,000 with LAKEWARD_HYPOTHESIS=nightly.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.db.bootstrap import bootstrap
from app.db.database import Database, open_database
from app.db.deployment import Deployment, find_credentials
from app.db.embedded import ensure_running
from app.db.migrate import migrate
from app.settings import PoolSettings, Settings

Connection = psycopg.Connection[Any]

#: What a test database may lose in a crash is the test.
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


settings.register_profile(
    "oracle", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("nightly", settings.get_profile("oracle"), max_examples=2_000)


def pytest_configure(config: pytest.Config) -> None:
    """Coroutine tests and fixtures need no marker."""
    config.option.anyio_mode = "auto"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The app runs on asyncio alone."""
    return "asyncio"


class Cluster(msgspec.Struct, frozen=True):
    """A Postgres server, by the DSN of its admin."""

    admin_dsn: str

    def dsn(self, database: str) -> str:
        """The admin's DSN for one database."""
        return make_conninfo(self.admin_dsn, dbname=database)

    def connect(self, database: str | None = None) -> Connection:
        """An autocommit connection of the admin."""
        return psycopg.connect(self.dsn(database) if database else self.admin_dsn, autocommit=True)

    def is_superuser(self) -> bool:
        """Whether the admin may do everything."""
        with closing(self.connect()) as connection:
            found = connection.execute("select rolsuper from pg_roles where rolname = current_user")
            return found.fetchone() == (True,)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While it lasts no other worker makes a deployment on this server: roles belong to all of it."""
        with closing(self.connect()) as connection:
            connection.execute("select pg_advisory_lock(hashtext('lakeward.tests'))")
            yield

    def create_database(self, stem: str, template: str = "template1") -> str:
        """A new database; its name begins with `stem`."""
        name = f"{stem}_{secrets.token_hex(4)}"
        # the files are copied as they are: nothing needs to survive a crash, so their pages need not go through WAL
        statement = sql.SQL("create database {} template {} strategy file_copy")
        with self.connect() as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected; who may not end others' sessions waits up to 5 s for their end."""
        force = sql.SQL("with (force)" if self.is_superuser() else "")
        with closing(self.connect()) as connection:
            connection.execute(sql.SQL("drop database if exists {} {}").format(sql.Identifier(name), force))

    def drop_profile_roles(self, deployment: Deployment) -> None:
        """Drop the roles of a dropped database's profiles, and the logins that are their members."""
        with self.connect() as connection, connection.transaction():
            connection.execute("select set_config('role', %s, true)", [deployment.owner_role])
            roles = connection.execute(
                "with profile as (select oid, rolname from pg_roles where starts_with(rolname, %s)) "
                "select rolname from profile union select u.rolname from profile g "
                "join pg_auth_members m on m.roleid = g.oid join pg_roles u on u.oid = m.member "
                "where u.rolcanlogin and u.rolname <> %s",
                [deployment.profile_prefix, deployment.service_role],
            ).fetchall()
            for (role,) in roles:
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))

    def drop_deployment_roles(self, deployment: Deployment) -> None:
        """Drop the four roles of a deployment whose databases are gone."""
        roles = [
            deployment.service_role,
            deployment.steward_role,
            deployment.owner_role,
            deployment.gate_role,
        ]
        with self.connect() as connection:
            connection.execute(
                sql.SQL("drop role if exists {}").format(sql.SQL(", ").join(map(sql.Identifier, roles)))
            )


class Deployed(msgspec.Struct, frozen=True):
    """A migrated database of its own: `dsn` is the admin's, `service_dsn` the app's."""

    name: str
    dsn: str
    home: Path
    deployment: Deployment
    cluster: Cluster

    @property
    def service_dsn(self) -> str:
        """How the app logs in."""
        credentials = find_credentials(self.home)
        assert credentials is not None
        return make_conninfo(self.dsn, user=credentials.user, password=credentials.password)

    def connect(self, role: Literal["owner", "gate", "steward", "service"] | None = None) -> Connection:
        """An autocommit connection of the admin, or of the service login that became `role` for good."""
        if role is None:
            return self.cluster.connect(self.name)
        connection = psycopg.connect(self.service_dsn, autocommit=True)
        if role != "service":
            name = getattr(self.deployment, f"{role}_role")
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(name)))
        return connection


@contextmanager
def running_cluster(version: Literal[16, 18], url: str | None) -> Iterator[Cluster]:
    """The server at `url`, or an embedded one that is gone afterwards."""
    if url:
        yield Cluster(admin_dsn=url)
        return
    # a socket's path may not be longer than 107 bytes, so this is not pytest's own temporary folder
    home = Path(tempfile.mkdtemp(prefix="lw", dir=_memory_folder()))
    try:
        server = ensure_running(home, version=version, extra=UNSAFE)
        try:
            yield Cluster(admin_dsn=server.admin_dsn("postgres"))
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _memory_folder() -> str | None:
    """Memory is a disk where a clone takes 11 ms, on the author's real one 170; in a container it may be tiny."""
    folder = Path("/dev/shm")
    roomy = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 * 1024**3
    return str(folder) if roomy else None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The session's Postgres."""
    version = 16 if os.environ.get("LAKEWARD_TEST_POSTGRES") == "16" else 18
    with running_cluster(version, os.environ.get("LAKEWARD_TEST_DATABASE_URL")) as running:
        yield running


@pytest.fixture(scope="session")
def cluster16() -> Iterator[Cluster]:
    """The oldest Postgres that is supported, started when the first test asks for it."""
    with running_cluster(16, os.environ.get("LAKEWARD_TEST_DATABASE_URL_16")) as running:
        yield running


@contextmanager
def migrated(cluster: Cluster, home: Path) -> Iterator[Deployed]:
    """A database that was made and migrated for this, and leaves nothing behind, roles included."""
    name = cluster.create_database("lakeward_template")
    try:
        with cluster.alone():
            deployment = migrate(cluster.dsn(name), home)
        yield Deployed(name, cluster.dsn(name), home, deployment, cluster)
    finally:
        cluster.drop_database(name)
    cluster.drop_profile_roles(deployment)
    cluster.drop_deployment_roles(deployment)


@contextmanager
def cloned(template: Deployed, home: Path) -> Iterator[Deployed]:
    """A copy of the template, with role names for its profiles that no other copy has."""
    cluster = template.cluster
    name = cluster.create_database("lakeward_test", template.name)
    prefix = f"{template.deployment.prefix}_{name[-8:]}_"
    deployment = msgspec.structs.replace(template.deployment, profile_prefix=prefix)
    shutil.copy(template.home / "service.json", home / "service.json")
    try:
        with psycopg.connect(cluster.dsn(name)) as connection:
            # a database's own rights are not copied with it; bootstrap puts them as they must be
            bootstrap(connection)
            connection.execute("select set_config('role', %s, true)", [deployment.owner_role])
            connection.execute("update lakeward.deployment set profile_prefix = %s", [prefix])
        yield Deployed(name, cluster.dsn(name), home, deployment, cluster)
    finally:
        cluster.drop_database(name)
        cluster.drop_profile_roles(deployment)


@pytest.fixture(scope="session")
def template(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A database that was migrated once; nobody connects to it, so that it can be copied."""
    with migrated(cluster, tmp_path_factory.mktemp("template")) as deployed:
        yield deployed


@pytest.fixture(scope="session")
def clone(
    template: Deployed, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], AbstractContextManager[Deployed]]:
    """`with clone() as deployed:` where a test or a wider fixture wants more than one database."""
    return lambda: cloned(template, tmp_path_factory.mktemp("home"))


@pytest.fixture
def deployed(clone: Callable[[], AbstractContextManager[Deployed]]) -> Iterator[Deployed]:
    """A migrated database for one test."""
    with clone() as fresh:
        yield fresh


@pytest.fixture
def database_url(deployed: Deployed) -> str:
    """The admin's DSN of the test's database."""
    return deployed.dsn


@pytest.fixture
def settings(deployed: Deployed) -> Settings:
    """Settings of an app on the test's database; its home holds the service login's credentials."""
    return Settings(
        home=deployed.home, database_url=deployed.dsn, pool=PoolSettings(min_size=1, max_size=4, timeout_s=5)
    )


@pytest.fixture
async def database(deployed: Deployed, settings: Settings) -> AsyncIterator[Database]:
    """The test's database as the app has it open."""
    opened = await open_database(deployed.service_dsn, settings)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def admin(deployed: Deployed) -> Iterator[Connection]:
    """An autocommit connection of the admin to the test's database; as the owner where it is no superuser."""
    with closing(deployed.connect()) as connection:
        if not deployed.cluster.is_superuser():
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(deployed.deployment.owner_role)))
        yield connection


class World(msgspec.Struct, frozen=True):
    """Two profiles that share nothing: `alpha` is bound to `people` (indexed), `beta` to `orders`."""

    deployed: Deployed
    alpha: str
    beta: str


def seed(deployed: Deployed) -> World:
    """Fill a fresh database through the catalog's own rows, as the steward, and build its one HNSW index."""
    prefix = deployed.deployment.profile_prefix
    with closing(deployed.connect("steward")) as connection, connection.transaction():
        people = _create_dataset(connection, "people", {"id": "bigint", "name": "text", "note": "text"})
        orders = _create_dataset(connection, "orders", {"id": "bigint", "amount": "numeric"})
        for profile, relation in (("alpha", people), ("beta", orders)):
            connection.execute(
                "insert into lakeward.profile (id, role_name, schema_name) values (%s, %s, %s)",
                [profile, prefix + profile, f"p_{profile}"],
            )
            connection.execute(
                "insert into lakeward.binding values (%s, %s, %s)", [profile, relation, prefix + profile]
            )
        connection.execute(
            "insert into lakeward.vector_index (name, relation_id, text_columns, chunk_size, chunk_overlap,"
            " provider, model_name, model_version, dimensions, row_key)"
            " values ('people_note', %s, '{note}', 1000, 100, 'fake', 'fake', '1', 3, 'id')",
            [people],
        )
        variant = connection.execute(
            "insert into lakeward.index_variant (index_id, m, ef_construction, state)"
            " select id, 16, 80, 'ready' from lakeward.vector_index returning id"
        ).fetchone()
    with closing(deployed.connect("owner")) as connection:
        connection.execute("insert into lake.people values (1, 'Ada', 'first'), (2, 'Grace', 'second')")
        connection.execute("insert into lake.orders values (7, 12.50)")
        assert variant is not None
        ext = sql.Identifier(deployed.deployment.ext_schema)
        connection.execute(
            sql.SQL(
                "create index {} on vec.people_note using hnsw (embedding {}.halfvec_cosine_ops)"
                " with (m = 16, ef_construction = 80) where chunk_id <> {}"
            ).format(sql.Identifier(f"people_note_v{variant[0]}"), ext, sql.Literal(-variant[0]))
        )
    return World(deployed, prefix + "alpha", prefix + "beta")


def _create_dataset(connection: Connection, name: str, columns: dict[str, str]) -> int:
    row = connection.execute(
        "insert into lakeward.relation (name, kind) values (%s, 'dataset') returning id", [name]
    ).fetchone()
    assert row is not None
    connection.execute(
        "insert into lakeward.dataset (id, name, home, row_key) values (%s, %s, 'table', 'id')",
        [row[0], name],
    )
    for position, (column, kind) in enumerate(columns.items()):
        connection.execute(
            "insert into lakeward.dataset_column (dataset_id, position, name, source_name, type)"
            " values (%s, %s, %s, %s, %s)",
            [row[0], position, column, column, kind],
        )
    connection.execute("select lakeward.create_dataset_table(%s)", row)
    return int(row[0])


@pytest.fixture
def world(deployed: Deployed) -> World:
    """The test's database, with two datasets, two profiles and an index."""
    return seed(deployed)


@pytest.fixture(scope="module")
def shared_world(clone: Callable[[], AbstractContextManager[Deployed]]) -> Iterator[World]:
    """One such database for all tests of a module; they roll back what they change."""
    with clone() as fresh:
        yield seed(fresh)
