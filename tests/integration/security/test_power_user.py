"""What a power user's own SQL leaves behind must neither stop the service nor keep its profile from being deleted."""

import asyncio
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from app.access.users import end_idle_users
from app.cli.psql import short_login
from app.db.lint import verify


@contextmanager
def logged_in(world, profile):
    deployed = world.deployed
    with short_login(deployed.service_dsn, profile) as login:
        dsn = make_conninfo(deployed.dsn, user=login.user, password=login.password)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


LEFTOVERS = [
    "select lo_create(0)",
    "alter default privileges grant select on tables to public",
    "set role none; select lo_create(0)",
    "alter default privileges grant select on tables to {beta}",
    "alter default privileges in schema p_alpha grant execute on functions to {beta}",
    "select lo_create(4242); grant select on large object 4242 to {beta}",
]


@pytest.mark.parametrize("statement", LEFTOVERS)
async def test_leftovers_stop_nothing_and_go_with_their_reader(database, world, statement):
    with world.deployed.connect() as admin:
        # as it is where no superuser migrates
        admin.execute("grant execute on function lo_create(oid) to public")
    with logged_in(world, "alpha") as connection:
        connection.execute(statement.format(beta=world.beta))
    await verify(database.owner())
    async with database.steward().begin() as transaction:
        # first the one that was given something, while the giver is still there
        await transaction.execute("delete from lakeward.profile where id = 'beta'")
    await verify(database.owner())
    async with database.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.profile where id = 'alpha'")
        left = await transaction.fetch_value(
            "select count(*) from pg_roles where rolname = any(%s)", [[world.alpha, world.beta]]
        )
    assert left == 0
    with world.deployed.connect() as connection:
        logins = connection.execute(
            "select count(*) from pg_roles where starts_with(rolname, %s)",
            [f"{world.deployed.deployment.prefix}_psql_"],
        ).fetchone()
    assert logins == (0,)


async def test_a_login_has_few_connections_and_no_forgotten_transaction(world):
    with logged_in(world, "alpha") as connection:
        limit = connection.execute(
            "select rolconnlimit from pg_roles where rolname = session_user"
        ).fetchone()
        idle = connection.execute("show idle_in_transaction_session_timeout").fetchone()
    assert limit == (10,)
    assert idle == ("10min",)


SITS = [
    "begin; select * from people",
    "begin isolation level repeatable read; table people; declare c cursor for table people",
]


@pytest.mark.parametrize("sitting", SITS)
@pytest.mark.parametrize(
    "change",
    [
        "delete from lakeward.binding where profile_id = 'alpha'",
        "insert into lakeward.access_role (name, clearance) values ('low', 'public'); "
        "update lakeward.profile set access_role = 'low' where id = 'alpha'",
        "update lakeward.dataset_column set sensitivity = 'restricted' where name = 'note'",
        "delete from lakeward.vector_index; delete from lakeward.relation where name = 'people'",
    ],
)
async def test_who_sits_on_a_view_keeps_no_change_from_coming(database, world, sitting, change):
    """Their own settings say how long they may sit; so the change ends the session, and waits for nobody."""
    with logged_in(world, "alpha") as sitter, logged_in(world, "beta") as other:
        sitter.execute("set idle_in_transaction_session_timeout = 0")
        sitter.execute(sitting.encode())
        other.execute("begin; select * from orders")
        async with database.steward().begin() as transaction:
            for statement in change.split("; "):
                await transaction.execute(statement.encode())
        with pytest.raises(psycopg.OperationalError):
            sitter.execute("select 1")
        assert other.execute("select count(*) from orders").fetchone() == (1,)


async def test_a_prepared_statement_ends_with_the_binding_and_a_held_cursor_has_what_it_read(database, world):
    with logged_in(world, "alpha") as connection:
        connection.execute("prepare p as select name from people order by id")
        connection.execute(
            "begin; declare c cursor with hold for select name from people order by id; commit"
        )
        assert connection.execute("execute p").fetchall() == [("Ada",), ("Grace",)]
        async with database.steward().begin() as transaction:
            await transaction.execute("delete from lakeward.binding where profile_id = 'alpha'")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("execute p")
        # rows that were read before, and are on record; the session keeps them as a file of theirs would
        assert connection.execute("fetch all from c").fetchall() == [("Ada",), ("Grace",)]


def test_the_eleventh_connection_is_refused_and_the_app_goes_on(world):
    deployed = world.deployed
    with short_login(deployed.service_dsn, "alpha") as login:
        dsn = make_conninfo(deployed.dsn, user=login.user, password=login.password)
        opened = [psycopg.connect(dsn, autocommit=True) for _ in range(10)]
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(dsn)
        with deployed.connect("steward") as steward:
            assert steward.execute("select count(*) from lakeward.profile").fetchone() == (2,)
        for connection in opened:
            connection.close()


def test_a_deleted_vector_is_not_in_the_statistics(world):
    """And a reader is shown none of a table whose reading is recorded."""
    with world.deployed.connect("owner") as owner:
        for number in range(1, 40):
            owner.execute(
                "insert into vec.people_note overriding system value values (%s, 1, 0, %s::ext.halfvec)",
                [number, f"[{number},0,0]"],
            )
        owner.execute("analyze vec.people_note")
    with logged_in(world, "alpha") as connection:
        shown = connection.execute("select attname from pg_stats where schemaname = 'vec'").fetchall()
    assert shown == []
    with world.deployed.connect("owner") as owner:
        columns = owner.execute("select attname from pg_stats where schemaname = 'vec'").fetchall()
    assert ("chunk_no",) in columns
    assert ("embedding",) not in columns


async def test_who_sits_in_a_transaction_is_ended_by_the_worker(database, world):
    """Sealing and vacuum wait for the oldest transaction; a person's own time limits are the person's to set."""
    with (
        logged_in(world, "alpha") as idle,
        logged_in(world, "alpha") as busy,
        logged_in(world, "beta") as new,
    ):
        for session in (idle, busy, new):
            session.execute("set idle_in_transaction_session_timeout = 0")
        idle.execute("begin; select * from people")
        await asyncio.sleep(0.3)
        new.execute("begin; select * from orders")
        assert await end_idle_users(database, timedelta(minutes=1), timedelta(minutes=1)) == 0
        assert await end_idle_users(database, timedelta(seconds=0.2), timedelta(minutes=1)) == 1
        with pytest.raises(psycopg.OperationalError):
            idle.execute("select 1")
        assert busy.execute("select 1").fetchone() == (1,)
        assert new.execute("select 1").fetchone() == (1,)
        assert await end_idle_users(database, timedelta(minutes=1), timedelta(seconds=0.01)) == 1
        with pytest.raises(psycopg.OperationalError):
            new.execute("select 1")


SHARED = [
    "select pg_advisory_lock(1)",
    "select pg_try_advisory_xact_lock_shared(1, 2)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
]


@pytest.mark.parametrize("statement", SHARED)
def test_what_all_share_is_not_a_readers_to_hold(world, statement):
    """Locks of which there are so many, and a place for bytes that no dataset has."""
    with logged_in(world, "alpha") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


async def test_where_that_cannot_be_helped_who_holds_a_lock_is_ended(database, world):
    with world.deployed.connect() as admin:
        admin.execute("grant execute on function pg_advisory_lock(bigint) to public")
    with logged_in(world, "alpha") as holder, logged_in(world, "alpha") as other:
        holder.execute("select pg_advisory_lock(1)")
        assert await end_idle_users(database) == 1
        with pytest.raises(psycopg.OperationalError):
            holder.execute("select 1")
        assert other.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "sitting", ["select count(*) from {hits}", "select content from vec.people_note_text"]
)
async def test_who_sits_on_an_index_keeps_its_binding_from_going_no_longer(database, world, sitting):
    with logged_in(world, "alpha") as sitter, logged_in(world, "beta") as other:
        (hits,) = sitter.execute(
            "select oid::regclass::text from pg_class "
            "where relname like 'hits\\_%' and has_table_privilege(oid, 'select')"
        ).fetchone()
        sitter.execute("set idle_in_transaction_session_timeout = 0")
        sitter.execute(f"begin; {sitting.format(hits=hits)}")
        other.execute("begin; select * from orders")
        async with database.steward().begin() as transaction:
            await transaction.execute("set local lock_timeout = '2s'")
            await transaction.execute("delete from lakeward.binding where profile_id = 'alpha'")
        with pytest.raises(psycopg.OperationalError):
            sitter.execute("select 1")
        assert other.execute("select count(*) from orders").fetchone() == (1,)


def test_a_reader_may_create_nowhere(world):
    """So it has no function, operator or table of its own to be found before ours on any search_path."""
    with logged_in(world, "alpha") as connection:
        login = connection.info.user
        for role in (login, world.alpha, "public"):
            creates = connection.execute(
                "select nspname from pg_namespace where has_schema_privilege(%s, oid, 'create')", [role]
            ).fetchall()
            assert creates == []
            for right in ("create", "temporary"):
                held = connection.execute(
                    "select has_database_privilege(%s, current_database(), %s)", [role, right]
                )
                assert held.fetchone() == (False,)
