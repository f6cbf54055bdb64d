"""Opening a database: it is there and at this version's revision, or the message says what to run."""

import asyncio

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from app.db.database import get_deployment, open_database
from app.db.migrate import head_revision
from app.errors import ForbiddenError, UnavailableError


async def test_the_deployment_as_the_service_sees_it(deployed):
    found = await get_deployment(deployed.service_dsn)
    assert found == msgspec.structs.replace(deployed.deployment, schema_version=head_revision())


@pytest.mark.parametrize("revision", ["0000", None])
async def test_a_database_at_another_revision_is_not_opened(deployed, settings, admin, revision):
    admin.execute("delete from lakeward.schema_version")
    if revision is not None:
        admin.execute("insert into lakeward.schema_version values (%s)", [revision])
    with pytest.raises(UnavailableError, match="run: lakeward migrate"):
        await open_database(deployed.service_dsn, settings)


async def test_a_database_that_was_never_migrated_is_not_opened(deployed, settings):
    dsn = make_conninfo(deployed.service_dsn, dbname="postgres")
    with pytest.raises(UnavailableError, match="is not migrated; run: lakeward migrate"):
        await open_database(dsn, settings)


async def test_a_server_that_is_away_is_unavailable(settings, tmp_path):
    with pytest.raises(UnavailableError):
        await open_database(f"host={tmp_path} dbname=none", settings)


async def test_a_wrong_password_is_not_told(deployed, settings):
    with pytest.raises(UnavailableError) as caught:
        await open_database(make_conninfo(deployed.service_dsn, user="nobody", password="geheim"), settings)
    assert "geheim" not in caught.value.message


async def test_each_scope_is_its_role(database):
    own = database.deployment
    scopes = {
        own.owner_role: database.owner(),
        own.steward_role: database.steward(),
        own.service_role: database.service(),
    }
    for role, scope in scopes.items():
        assert await scope.fetch_value("select current_user::text") == role


async def test_only_the_steward_sees_the_keys(database, world):
    statement = "select count(*) from lakeward.api_key"
    assert await database.steward().fetch_value(statement) == 0
    for scope in (database.service(), database.reader(world.alpha)):
        with pytest.raises(ForbiddenError):
            await scope.fetch_value(statement)


async def test_closing_leaves_no_connection(deployed, settings, admin):
    opened = await open_database(deployed.service_dsn, settings)
    await opened.steward().fetch_value("select 1")
    await opened.close()
    left = "select count(*) from pg_stat_activity where usename = %s and datname = current_database()"
    async with asyncio.timeout(3):  # a backend needs a moment to notice
        while admin.execute(left, [deployed.deployment.service_role]).fetchone() != (0,):
            await asyncio.sleep(0.01)
