"""A scope is its role and nothing else, until its transaction ends; a profile sees its own part alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.db.database import Database
from app.db.scope import Actor, Scope
from app.errors import ConflictError, ForbiddenError, LakewardError, TimeoutExceededError
from app.vectors.service import drop_idle_triggers

PASSWORD = "a-power-users-password"


class Value(msgspec.Struct, frozen=True):
    value: str | None


class Number(msgspec.Struct, frozen=True):
    value: int


async def assert_bare(database: Database) -> None:
    """Every connection in the pool is the service login, with nobody's settings and no open transaction."""
    idle = database.pool.get_stats()["pool_size"]
    borrowed = [await database.pool.getconn() for _ in range(idle)]
    try:
        for connection in borrowed:
            cursor = await connection.execute(
                "select current_user, session_user, current_setting('role'),"
                " coalesce(current_setting('lakeward.actor', true), ''),"
                " current_setting('statement_timeout'),"
                # a setting of a library that is not loaded yet is '' when its transaction has ended
                " coalesce(nullif(current_setting('hnsw.ef_search', true), ''), '40')"
            )
            service = database.deployment.service_role
            assert await cursor.fetchone() == (service, service, "none", "", "0", "40")
    finally:
        for connection in borrowed:
            await database.pool.putconn(connection)


@pytest.fixture
async def alpha(database: Database, world) -> AsyncIterator[Scope]:
    """A reader's scope, bound to `people`."""
    yield database.reader(world.alpha, Actor(principal="key_1", profile="alpha"))


async def test_fetch_and_begin_run_as_the_role(database, alpha, world):
    assert await alpha.fetch(Value, "select current_user::text as value") == [Value(world.alpha)]
    assert await alpha.fetch_value("select current_user::text") == world.alpha
    async with alpha.begin() as transaction:
        assert await transaction.fetch_value("select current_user::text") == world.alpha
        assert await transaction.fetch_value("select session_user::text") == database.deployment.service_role
    await assert_bare(database)


async def test_settings_are_the_transactions_own(database, alpha):
    names = ("lakeward.actor", "statement_timeout", "hnsw.ef_search")
    statement = "select current_setting(%s) as value"
    async with alpha.begin({"hnsw.ef_search": "77"}) as transaction:
        values = [await transaction.fetch_value(statement, [name]) for name in names]
    assert msgspec.json.decode(values[0], type=Actor) == alpha.actor
    assert values[1:] == ["30s", "77"]
    assert await alpha.fetch(Value, statement, ["hnsw.ef_search"], extra={"hnsw.ef_search": "78"}) == [
        Value("78")
    ]
    await assert_bare(database)


@pytest.mark.parametrize("verb", ["fetch", "fetch_value", "begin"])
async def test_after_an_error_the_connection_is_the_bare_login(database, alpha, verb):
    with pytest.raises(ForbiddenError):
        await run(alpha, verb, "select id as value from lake.people")
    await assert_bare(database)


@pytest.mark.parametrize("verb", ["fetch", "fetch_value", "begin"])
async def test_after_a_timeout_the_connection_is_the_bare_login(database, world, verb):
    scope = database.reader(world.alpha, timeout_ms=50)
    with pytest.raises(TimeoutExceededError):
        await run(scope, verb, "select 1 as value from pg_sleep(5)")
    await assert_bare(database)


@pytest.mark.parametrize("verb", ["fetch", "fetch_value", "begin"])
async def test_after_a_cancelled_task_the_connection_is_the_bare_login(database, alpha, admin, verb):
    task = asyncio.create_task(run(alpha, verb, "select 1 as value from pg_sleep(5)"))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_bare(database)
    sleeping = admin.execute(
        "select count(*) from pg_stat_activity where query like '%pg_sleep(5)%' and state = 'active'"
        " and datname = current_database() and pid <> pg_backend_pid()"
    )
    assert sleeping.fetchone() == (0,)


@pytest.mark.parametrize("verb", ["fetch", "fetch_value", "begin"])
async def test_a_role_that_is_not_there_runs_nothing(database, admin, verb):
    scope = database.reader("lw_p_nobody")
    with pytest.raises(LakewardError):
        await run(scope, verb, "select current_user::text as value")
    await assert_bare(database)


@pytest.mark.parametrize("verb", ["fetch", "fetch_value", "begin"])
async def test_a_role_the_service_is_not_given_runs_nothing(database, verb):
    with pytest.raises(ForbiddenError):
        await run(database.reader("pg_read_all_data"), verb, "select 1 as value")
    await assert_bare(database)


async def run(scope: Scope, verb: str, statement: Any) -> None:
    if verb == "fetch":
        await scope.fetch(Number, statement)
    elif verb == "fetch_value":
        await scope.fetch_value(statement)
    else:
        async with scope.begin() as transaction:
            await transaction.fetch_value(statement)


async def test_an_exception_rolls_back(database):
    statement = "insert into lakeward.relation (name, kind) values ('gone', 'view')"
    with pytest.raises(RuntimeError):
        async with database.steward().begin() as transaction:
            await transaction.execute(statement)
            raise RuntimeError("no")
    with pytest.raises(ConflictError):
        async with database.steward().begin() as transaction:
            await transaction.execute(statement)
            await transaction.execute(statement)
    assert await database.steward().fetch_value("select count(*) from lakeward.relation") == 0


async def test_no_connection_is_lost(database, alpha):
    for _ in range(3 * database.pool.max_size):
        with pytest.raises(ForbiddenError):
            await alpha.fetch_value("select from lake.people")
    assert await alpha.fetch_value("select 1") == 1
    assert database.pool.get_stats()["pool_size"] <= database.pool.max_size


CATALOG = [
    "deployment", "relation", "dataset", "dataset_column", "dataset_file", "rejected_row", "profile",
    "binding",
    "bucket_dataset", "api_key", "job", "vector_index", "index_variant", "schema_version",
    "access_role", "secret", "safe_view", "safe_view_base", "shown_column", "index_reader", "tombstone", "erasure",
    "journal", "journal_seal", "audit_entry", "storage_error", "profile_bucket", "bucket_folder", "cache_pin",
    "eval_set", "eval_query", "eval_truth", "trial", "model_adapter", "index_gate",
]  # fmt: skip


async def test_the_service_login_itself_reads_nothing_of_the_catalog(database, world, subtests):
    async with database.owner().begin() as transaction:
        tables = await transaction.fetch_values(
            "select tablename from pg_tables where schemaname = 'lakeward'"
        )
    assert sorted(tables) == sorted(CATALOG)
    for table in tables:
        count = sql.SQL("select count(*) from lakeward.{}").format(sql.Identifier(table))
        with subtests.test(table), suppress(ForbiddenError):
            assert await database.service().fetch_value(count) == 0


OWN_PART = {
    "relation.name": ({"people"}, {"orders"}),
    "dataset.name": ({"people"}, {"orders"}),
    "dataset_column.name": ({"id", "name", "note"}, {"id", "amount"}),
    "profile.id": ({"alpha"}, {"beta"}),
    "binding.profile_id": ({"alpha"}, {"beta"}),
    "vector_index.name": ({"people_note"}, set()),
    "index_variant.m": ({16}, set()),
    "deployment.prefix": (set(), set()),
}


async def test_a_profile_sees_its_own_part_of_the_catalog(database, alpha, world, subtests):
    for column, (of_alpha, of_beta) in OWN_PART.items():
        with subtests.test(column):
            assert await read_column(alpha, column) == of_alpha
            assert await read_column(database.reader(world.beta), column) == of_beta


async def read_column(scope: Scope, column: str) -> set[Any]:
    table, name = column.split(".")
    statement = sql.SQL("select {} as value from lakeward.{}").format(
        sql.Identifier(name), sql.Identifier(table)
    )
    async with scope.begin() as transaction:
        return set(await transaction.fetch_values(statement))


REFUSED = [
    "select from lakeward.api_key",
    "select from lakeward.job",
    "select from lakeward.dataset_file",
    "select from lakeward.rejected_row",
    "select from lakeward.schema_version",
    "select from lake.people",
    "select from lake.orders",
    "select from p_beta.orders",
    "select from jobs.procrastinate_jobs",
    "select row_key from vec.people_note_pending",
    "delete from vec.people_note",
    "insert into lakeward.binding values ('alpha', 2, 'x')",
    "update lakeward.profile set ef_search = 1",
    "delete from lakeward.binding",
    "create temp table mine (id int)",
    "create table mine (id int)",
    "create table p_alpha.mine (id int)",
    "create schema mine",
    "create table public.mine (id int)",
    "create function p_alpha.mine() returns int language sql as 'select 1'",
    "insert into p_alpha.people values (9, 'x', 'y')",
    "update p_alpha.people set name = 'x'",
    "delete from p_alpha.people",
    "truncate lake.people",
    "select lakeward.find_key('x')",
    "select lakeward.create_login('alpha', 'x', 'SCRAM-SHA-256$', null)",
    "select lakeward.drop_login('x')",
    "select lakeward.install_reader_view('alpha', 2)",
    "select lakeward.attach_dataset(2, 'x')",
    "select lakeward.role_of('owner')",
    "select lakeward.get_deployment()",
    "alter view p_alpha.people owner to current_user",
    "alter policy own_part on lakeward.binding using (true)",
    "copy (select 1) to program 'true'",
    "select pg_read_file('/etc/passwd')",
    "select rolpassword from pg_authid",
]


async def test_a_profile_is_refused(database, alpha, subtests):
    for statement in REFUSED:
        with subtests.test(statement), pytest.raises(ForbiddenError):
            async with alpha.begin() as transaction:
                await transaction.execute(statement)
    await assert_bare(database)


async def test_a_profile_reads_its_relation_and_its_index(alpha):
    assert await alpha.fetch_value("select count(*) from p_alpha.people") == 2
    assert await alpha.fetch_value("select count(*) from vec.people_note") == 0
    assert await alpha.fetch_value("select count(seq) from vec.people_note_pending") == 2


async def test_a_grant_that_went_astray_leaks_nothing(database, alpha, world, admin):
    """The tables carry policies on the bindings: with rights on them a profile sees what it is bound to."""
    role = sql.Identifier(world.alpha)
    admin.execute(
        sql.SQL("grant usage on schema lake to {0}; grant select on lake.people, lake.orders to {0}").format(
            role
        )
    )
    assert await alpha.fetch_value("select count(*) from lake.people") == 2
    assert await alpha.fetch_value("select count(*) from lake.orders") == 0


async def test_deleting_the_binding_drops_the_view_and_the_rights(database, alpha):
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.binding where profile_id = 'alpha'")
    with pytest.raises(LakewardError):
        await alpha.fetch_value("select count(*) from p_alpha.people")
    with pytest.raises(ForbiddenError):
        await alpha.fetch_value("select count(*) from vec.people_note")
    assert await alpha.fetch_value("select count(*) from lakeward.dataset") == 0


async def test_a_view_without_its_binding_is_empty(database, alpha, admin):
    """Even where the view stays, as when a trigger was off: the policy under it looks at the binding."""
    admin.execute("alter table lakeward.binding disable trigger objects_delete")
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.binding where profile_id = 'alpha'")
    assert await alpha.fetch_value("select count(*) from p_alpha.people") == 0


async def test_deleting_the_profile_drops_its_role_and_its_schema(database, world, admin):
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.profile where id = 'alpha'")
    assert admin.execute("select to_regrole(%s), to_regnamespace('p_alpha')", [world.alpha]).fetchone() == (
        None,
        None,
    )


async def test_deleting_a_dataset_drops_its_table_and_its_views(database, world, admin):
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.relation where name = 'orders'")
    assert admin.execute("select to_regclass('lake.orders'), to_regclass('p_beta.orders')").fetchone() == (
        None,
        None,
    )


async def test_deleting_an_index_drops_its_tables_and_its_triggers(database, world, admin):
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.vector_index")
    assert admin.execute(
        "select count(*) from pg_class where relnamespace = 'vec'::regnamespace"
    ).fetchone() == (0,)
    # they stay until nobody reads the dataset, and do nothing
    async with database.owner().begin() as transaction:
        await transaction.execute("insert into lake.people values (3, 'Edsger', 'third')")
        await transaction.execute("update lake.people set name = name || '.'")
        await transaction.execute("delete from lake.people where id = 3")
    triggers = (
        "select count(*) from pg_trigger where tgrelid = 'lake.people'::regclass and tgname ^@ 'track_'"
    )
    async with database.reader(world.alpha).begin() as reading:
        await reading.execute("select count(*) from p_alpha.people")
        assert await drop_idle_triggers(database.steward()) == 1
    assert admin.execute(triggers).fetchone() == (3,)
    assert await drop_idle_triggers(database.steward()) == 0
    assert admin.execute(triggers).fetchone() == (0,)


@pytest.fixture
async def login(database: Database, world) -> AsyncIterator[str]:
    """A power user's login, made as the app makes it."""
    name = f"{world.alpha}_login"
    connection = psycopg.connect(world.deployed.dsn)
    verifier = connection.pgconn.encrypt_password(PASSWORD.encode(), name.encode(), b"scram-sha-256").decode()
    connection.close()
    async with database.owner().begin() as transaction:
        await transaction.execute("select lakeward.create_login('alpha', %s, %s, null)", [name, verifier])
    yield name


@pytest.fixture
def power(login: str, world) -> Iterator[psycopg.Connection[Any]]:
    """The power user's own session, as psql would open it."""
    dsn = make_conninfo(world.deployed.dsn, user=login, password=PASSWORD)
    with closing(psycopg.connect(dsn, autocommit=True)) as connection:
        yield connection


def one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement).fetchone()
    return row[0] if row else None


async def test_a_power_user_is_the_profile_at_login(power, login, world):
    assert (one(power, "select current_user"), one(power, "select session_user")) == (world.alpha, login)
    assert one(power, "select count(*) from people") == 2
    assert one(power, "select string_agg(name, ',') from lakeward.dataset") == "people"


async def test_a_power_user_stays_the_profile_after_reset_role(power, world):
    power.execute("reset role")
    assert one(power, "select current_user") == world.alpha
    power.execute("discard all")
    assert one(power, "select current_user") == world.alpha
    assert one(power, "select count(*) from people") == 2


async def test_a_power_user_without_the_role_has_nothing(power, login):
    power.execute("set role none")
    assert one(power, "select current_user") == login
    assert one(power, "select count(*) from lakeward.dataset") == 0
    for statement in ("select from p_alpha.people", "select from vec.people_note", "select from lake.people"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            power.execute(statement)


async def test_a_power_user_becomes_nobody_else(power, world, database):
    own = database.deployment
    roles = [own.owner_role, own.gate_role, own.steward_role, own.service_role]
    for role in (world.beta, "pg_read_all_data", *roles):
        for start in ("reset role", "set role none"):
            power.execute(start)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                power.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                power.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))


async def test_a_power_user_is_refused_what_its_profile_is(power, subtests):
    for statement in REFUSED:
        with subtests.test(statement), pytest.raises(psycopg.errors.InsufficientPrivilege):
            power.execute(statement)


async def test_a_power_user_cannot_change_its_own_settings_for_good(power, login):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        power.execute(sql.SQL("alter role {} bypassrls").format(sql.Identifier(login)))


async def test_a_login_is_dropped_alone_and_with_its_profile(database, login, world, admin):
    async with database.steward().begin() as transaction:
        await transaction.execute("select lakeward.drop_login(%s)", [login])
    assert one(admin, f"select to_regrole('{login}')") is None
    async with database.owner().begin() as transaction:
        await transaction.execute(
            "select lakeward.create_login('alpha', %s, 'SCRAM-SHA-256$x', null)", [login]
        )
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.profile where id = 'alpha'")
    assert one(admin, f"select to_regrole('{login}')") is None


@pytest.mark.parametrize("role", ["owner", "gate", "steward", "service", "alpha"])
async def test_drop_login_drops_nothing_but_logins(database, world, role):
    name = world.alpha if role == "alpha" else getattr(database.deployment, f"{role}_role")
    with pytest.raises(LakewardError, match="no login"):
        async with database.steward().begin() as transaction:
            await transaction.execute("select lakeward.drop_login(%s)", [name])


async def test_a_password_in_clear_is_refused(database, world):
    with pytest.raises(LakewardError, match="SCRAM-SHA-256 verifier"):
        async with database.owner().begin() as transaction:
            await transaction.execute("select lakeward.create_login('alpha', 'x', 'secret', null)")
