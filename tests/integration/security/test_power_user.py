"""What a power user's own SQL leaves behind must neither stop the service nor keep its profile from being deleted."""

from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

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
