"""Maintenance as whoever may: the administrator, else the owner, else it is said that nobody could."""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from app.db.database import Database
from app.errors import UnavailableError
from app.settings import Settings
from app.tombstones.erasure_places import find_data, get_cluster
from app.tombstones.erasure_rewrite import (
    rewrite,
    rewrite_statistics,
    run_as_admin,
    turn_over_wal,
    wait_for_snapshots,
)


async def tick() -> None:
    """Nothing to report."""


@pytest.fixture
def superuser(cluster: Any) -> None:
    if not cluster.is_superuser():
        pytest.skip("what a superuser's migration leaves")


async def test_the_owner_may_checkpoint_where_a_superuser_migrated_and_no_more(
    superuser: None, database: Database, settings: Settings
) -> None:
    nobody = msgspec.structs.replace(settings, database_url=database.service_dsn)
    assert await run_as_admin(database, nobody, "checkpoint")
    assert not await rewrite_statistics(database, nobody)
    assert await rewrite_statistics(database, settings)


async def test_wal_goes_and_what_keeps_it_is_named(
    superuser: None, database: Database, settings: Settings, admin: psycopg.Connection[Any]
) -> None:
    [data] = admin.execute("show data_directory").fetchone() or [""]
    cluster = await get_cluster(database.owner())
    assert find_data(Path(data), cluster.system_identifier) == Path(data)
    assert find_data(Path(data), cluster.system_identifier + 1) is None
    assert find_data(Path(data) / "nothing", cluster.system_identifier) is None
    wal = Path(data) / "pg_wal"
    query = "select lsn::text, pg_walfile_name(lsn) from pg_current_wal_insert_lsn() lsn"
    [lsn, current] = admin.execute(query).fetchone() or ["", ""]
    # segments made ahead of their time come after the current one, and stay
    before = {path.name for path in wal.iterdir() if len(path.name) == 24 and path.name <= current}
    turnover = await turn_over_wal(database, settings, cluster, wal, lsn, tick, patience_s=20)
    assert turnover.done and before.isdisjoint(path.name for path in wal.iterdir())
    assert not (await turn_over_wal(database, settings, cluster, None, lsn, tick, patience_s=20)).done
    # a segment that is kept: in a folder that nobody tidies up
    with pytest.raises(UnavailableError, match="replication slot"):
        await turn_over_wal(database, settings, cluster, _kept(settings.home), lsn, tick, patience_s=0)


def _kept(home: Path) -> Path:
    (home / "wal").mkdir()
    (home / "wal" / "000000010000000000000001").touch()
    return home / "wal"


async def test_a_prepared_transaction_or_a_writer_from_before_is_waited_for(
    database: Database, deployed: Any
) -> None:
    owner = database.owner()
    with psycopg.connect(deployed.dsn) as writer:
        writer.execute("select pg_current_xact_id()")
        async with owner.begin() as transaction:
            xid = await transaction.fetch_value("select pg_current_xact_id()::text")
        with pytest.raises(UnavailableError, match="1 transactions"):
            await wait_for_snapshots(owner, xid, tick, patience_s=0.3)
    await wait_for_snapshots(owner, xid, tick, patience_s=20)


async def test_a_table_that_stays_locked_is_named(world: Any, database: Database) -> None:
    with psycopg.connect(world.deployed.dsn) as reader:
        if not world.deployed.cluster.is_superuser():
            pytest.skip("nobody but the owner can lock it")
        reader.execute("select count(*) from lake.people")
        with pytest.raises(UnavailableError, match=r"lake\.people stays locked"):
            await rewrite(database, ["lake.people"], tick, patience_s=0.1)
    [done] = await rewrite(database, ["lake.people", "lake.gone"], tick, patience_s=20)
    assert done.relation == "lake.people" and done.before != done.after
