"""What is remembered of the catalog is never older than its last change."""

import asyncio
from contextlib import closing

from app.db.changes import Changes, Remembered
from app.db.database import Database


async def until(condition, timeout_s: float = 3.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def listening(database: Database) -> None:
    await until(lambda: database.changes.epoch is not None)


async def test_a_change_of_the_catalog_is_heard(database, admin):
    await listening(database)
    before = database.changes.epoch
    admin.execute("insert into lakeward.relation (name, kind) values ('v', 'view')")
    await until(lambda: database.changes.epoch != before)


async def test_every_kind_of_change_is_heard(database, world, admin, subtests):
    await listening(database)
    for statement in (
        "update lakeward.profile set ef_search = 99",
        "update lakeward.dataset set description = 'x'",
        "update lakeward.index_variant set state = 'failed'",
        "delete from lakeward.binding where profile_id = 'alpha'",
        "insert into lakeward.api_key (id, name, kind, secret_sha256)"
        " values ('k', 'k', 'admin', sha256('k'::bytea))",
        "update lakeward.api_key set revoked_at = now()",
        "delete from lakeward.vector_index",
        "truncate lakeward.api_key",
    ):
        with subtests.test(statement):
            before = database.changes.epoch
            admin.execute(statement)
            await until(lambda before=before: database.changes.epoch != before)


async def test_a_change_that_rolls_back_is_not_heard(database, admin):
    await listening(database)
    before = database.changes.epoch
    with admin.transaction(force_rollback=True):
        admin.execute("insert into lakeward.relation (name, kind) values ('v', 'view')")
    await asyncio.sleep(0.1)
    assert database.changes.epoch == before


async def test_while_nobody_listens_nothing_is_remembered(database, deployed):
    await listening(database)
    remembered: Remembered[str] = Remembered(database.changes)
    remembered.put("key", "value", database.changes.epoch)
    assert remembered.find("key") == "value"
    before = database.changes.epoch
    with closing(deployed.connect("service")) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where query = 'listen lakeward_changed' and datname = current_database()"
        )
    await until(lambda: database.changes.epoch is None)
    assert remembered.find("key") is None
    remembered.put("late", "value", before)
    await listening(database)
    assert database.changes.epoch != before
    assert remembered.find("key") is remembered.find("late") is None


async def test_what_was_looked_up_before_a_change_is_not_remembered_after_it(database):
    await listening(database)
    remembered: Remembered[str] = Remembered(database.changes)
    epoch = database.changes.epoch
    database.changes.bump()
    remembered.put("key", "old", epoch)
    assert remembered.find("key") is None


async def test_no_more_than_the_limit_is_remembered(database):
    await listening(database)
    remembered: Remembered[int] = Remembered(database.changes, limit=10)
    for key in range(95):
        remembered.put(key, key, database.changes.epoch)
    assert sum(remembered.find(key) is not None for key in range(95)) <= 10
    assert remembered.find(94) == 94


async def test_stop_ends_the_task(deployed):
    changes = Changes(deployed.service_dsn)
    await changes.stop()
    await changes.start()
    await changes.stop()
    assert changes.epoch is None
