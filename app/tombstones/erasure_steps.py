"""The steps of an erasure, one function each. Every step may be run again from its beginning, as after kill -9."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from app.db.administrator import administering
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor
from app.errors import ConflictError, InternalError, InvalidInputError, UnavailableError
from app.lance.folder import Folder
from app.lance.sync import erase as erase_copies
from app.settings import Settings
from app.tombstones.erasure_collect import collect
from app.tombstones.erasure_doors import ask_doors
from app.tombstones.erasure_held import blank, find_held
from app.tombstones.erasure_models import ErasureRow, ScanReport
from app.tombstones.erasure_places import (
    Cluster,
    Places,
    describe_scan,
    find_data,
    get_cluster,
    scan_places,
)
from app.tombstones.erasure_plan import AGAIN, Step, step_before
from app.tombstones.erasure_purge import purge, purge_late, remove_uploads
from app.tombstones.erasure_rewrite import (
    Tick,
    rewrite,
    rewrite_statistics,
    run_as_admin,
    turn_over_wal,
    wait_for_snapshots,
)
from app.tombstones.receipt import create_receipt, describe_places, hash_receipt
from app.tombstones.scan import Scan, Scanner
from app.tombstones.working_file import Working, find_working, save_working

QUERIES = load_queries(__file__, "erasure.sql")
TICK_S = 0.5
#: How long a step waits for other people's transactions, locks and slots before the job fails and says why.
PATIENCE_S = 60.0
Found = dict[str, Any]


class Work(msgspec.Struct, frozen=True):
    """One attempt at an erasure: what it is, and where it happens."""

    database: Database
    settings: Settings
    row: ErasureRow
    cluster: Cluster
    places: Places
    tick: Tick

    def working(self) -> Working:
        """What the working file holds.

        Raises:
            ConflictError: it is gone.
        """
        working = find_working(self.settings.home, self.row.id)
        if working is None:
            raise ConflictError(
                "the erasure's working file is gone from the home, and the rows are purged; ask for the same erasure "
                "again: it goes on with what can still be searched for, the keys"
            )
        return working


async def prepare(database: Database, settings: Settings, row: ErasureRow, tick: Tick) -> Work:
    """Find out where the server keeps its files, and whether this process can read them."""
    cluster = await get_cluster(database.owner())
    candidate = settings.home / "pg" if settings.database_url is None else await _ask_data(settings)
    data = await asyncio.to_thread(find_data, candidate, cluster.system_identifier)
    places = Places(home=settings.home, data=data, database_oid=cluster.database_oid)
    return Work(database, settings, row, cluster, places, tick)


async def _ask_data(settings: Settings) -> Path | None:
    async with administering(settings) as connection:
        if connection is None:
            return None
        cursor = await connection.execute(
            "select setting from pg_settings where name = 'data_directory' and setting <> ''"
        )
        found = await cursor.fetchone()
    return None if found is None else Path(found[0])


async def collect_step(work: Work) -> Found:
    """What identifies the subjects goes to the working file, how much of it there is to the erasure's row.

    Raises:
        InvalidInputError: the reason, which stays, holds a value of the rows.
    """
    row = work.row
    if row.row_key_values is None or not row.key_type:
        raise ConflictError(f"dataset {row.dataset!r} is gone, or has no row key any more")
    collected = await collect(work.database, row, row.row_key_values)
    if any(pattern.value in row.reason.encode() for pattern in collected.patterns):
        raise InvalidInputError(
            "the reason holds a value of the rows to erase, and it would stay; say it without"
        )
    working = Working(keys=row.row_key_values, patterns=collected.patterns)
    await asyncio.to_thread(save_working, work.settings.home, row.id, working)
    counts = {name: value for name, value in msgspec.to_builtins(collected).items() if name != "patterns"}
    if row.dry_run:
        scanner = Scanner(collected.patterns)
        owner = work.database.owner()
        held = await find_held(owner, scanner)
        counts |= {
            "rejected_rows": len(held.rejected),
            "jobs": len(held.jobs),
            "eval_queries": len(held.asked),
        }
    return {"collected": counts}


async def scan_before_step(work: Work) -> Found:
    """The scan that must find them, or the one at the end would prove nothing."""
    return {"scan_before": msgspec.to_builtins(await _scan(work))}


async def purge_step(work: Work) -> Found:
    """Tombstoned and purged; the step is completed in the same transaction."""
    working = work.working()
    purged = await purge(work.database, work.row, working.keys, working.patterns, "purge")
    return {"purged": msgspec.to_builtins(purged)}


async def wait_step(work: Work) -> Found:
    """Nobody sees the old rows any more, and what those who did put on record until then is taken out, too."""
    found: Found | None = work.row.found
    keys = work.working().keys
    while found is not None:
        xid: str = found["purged"]["xid"]
        await wait_for_snapshots(work.database.owner(), xid, work.tick, patience_s=PATIENCE_S)
        found = await purge_late(work.database, work.row, keys, found)
    return {}


async def rewrite_step(work: Work) -> Found:
    """New files and new statistics, without the old ones' dead rows; copies in Lance are removed, to be made anew."""
    names: list[str] = work.row.found["purged"]["rewrite"]
    tables = [name.removeprefix("vec.") for name in names if name.startswith("vec.")]
    copies = await erase_copies(work.database, Folder(work.settings.home), tables)
    done = await rewrite(work.database, names, work.tick, patience_s=PATIENCE_S)
    statistics = await rewrite_statistics(work.database, work.settings)
    owner = work.database.owner()
    compressed = await owner.fetch_value(QUERIES["compressible"], {"names": [item.relation for item in done]})
    lsn: str = await owner.fetch_value("select pg_current_wal_insert_lsn()::text")
    return {
        "rewritten": msgspec.to_builtins(done),
        "statistics_rewritten": statistics,
        "compressed": compressed or [],
        "copies_removed": copies,
        "rewritten_at": lsn,
    }


async def turn_over_wal_step(work: Work) -> Found:
    """WAL from before the rewrite is gone."""
    lsn = work.row.found["rewritten_at"]
    turnover = await turn_over_wal(
        work.database,
        work.settings,
        work.cluster,
        work.places.wal,
        lsn,
        work.tick,
        patience_s=PATIENCE_S,
    )
    return {"wal": msgspec.to_builtins(turnover)}


async def scan_after_step(work: Work) -> Found:
    """The same scan finds nothing, and nobody who is asked knows the keys.

    Raises:
        UnavailableError: bytes are left; says where. The erasure begins again at the wait, with these places added.
        InternalError: somebody still answers.
    """
    working = work.working()
    owner = work.database.owner()
    uploads = work.row.found.get("uploads", 0)
    uploads += await remove_uploads(owner, work.settings.home / "uploads", working.patterns)
    report = await _scan(work)
    if report.places:
        await _begin_again(work, report, uploads)
        raise UnavailableError(
            f"bytes of the erased rows are still there: {describe_places(msgspec.to_builtins(report.places))}; "
            "remove what holds them and run the erasure again"
        )
    doors = await ask_doors(work.database, work.row, working.keys)
    if not doors.silent:
        found = work.row.found | {"uploads": uploads}
        if await purge_late(work.database, work.row, working.keys, found) is not None:
            raise UnavailableError(
                "the erased rows came on record while they were erased; it begins again at the wait"
            )
        raise InternalError(
            "an erased key is still known; the erasure's `doors` say to whom",
            doors=msgspec.to_builtins(doors),
        )
    return {
        "uploads": uploads,
        "scan_after": msgspec.to_builtins(report),
        "doors": msgspec.to_builtins(doors),
    }


async def write_receipt_step(work: Work) -> Found:
    """The receipt is written, and on record in the journal."""
    now = datetime.now(UTC)
    owner = work.database.owner(Actor(principal=work.row.created_by, source="job:erasure"))
    async with owner.begin() as transaction:
        copies = await transaction.fetch_values(QUERIES["copies"], {"dataset": work.row.dataset})
    receipt = create_receipt(work.row, work.cluster, {**work.row.found, "copies": copies}, now)
    digest = hash_receipt(receipt)
    entry = {"erasure": work.row.id, "keys": work.row.keys, "receipt_sha256": digest}
    async with owner.begin() as transaction:
        await transaction.execute(
            QUERIES["append_journal"], {"dataset": work.row.dataset, "new": Jsonb(entry)}
        )
        parameters = {
            "id": work.row.id,
            "step": "write_receipt",
            "found": Jsonb({}),
            "receipt": Jsonb({"sha256": digest, "receipt": receipt}),
        }
        await transaction.execute(QUERIES["finish_erasure"], parameters)
    return {"receipt_sha256": digest}


RUN: Mapping[Step, Callable[[Work], Awaitable[Found]]] = {
    "collect": collect_step,
    "scan_before": scan_before_step,
    "purge": purge_step,
    "wait": wait_step,
    "rewrite": rewrite_step,
    "turn_over_wal": turn_over_wal_step,
    "scan_after": scan_after_step,
    "write_receipt": write_receipt_step,
}


async def _begin_again(work: Work, report: ScanReport, uploads: int) -> None:
    """The next attempt begins at the wait, and rewrites the relations that bytes were found in, too.

    Rejected rows, messages and questions that came since the purge are taken away first: rewritten, they would stay.
    """
    held = await find_held(work.database.owner(), Scanner(work.working().patterns))
    purged = dict(work.row.found["purged"])
    purged["rejected_rows"] += len(held.rejected)
    purged["jobs"] += len(held.jobs)
    left = [
        place.place
        for place in report.places
        if place.place.partition(".")[0] in ("lakeward", "record", "vec", "lake")
    ]
    purged["rewrite"] = list(dict.fromkeys([*purged["rewrite"], *left]))
    async with work.database.owner().begin() as transaction:
        purged["eval_queries"] += await blank(transaction, held)
        found = {"purged": purged, "left": msgspec.to_builtins(report.places), "uploads": uploads}
        parameters = {"id": work.row.id, "step": step_before(AGAIN), "found": Jsonb(found)}
        await transaction.execute(QUERIES["complete_step"], parameters)


async def _scan(work: Work) -> ScanReport:
    """One scan, of files that hold what memory holds; the job goes on reporting meanwhile."""
    patterns = work.working().patterns
    await run_as_admin(work.database, work.settings, "checkpoint")
    started = time.monotonic()
    stopped = False

    def progress(_: int) -> None:
        if stopped:
            raise OSError("the job was stopped")

    task = asyncio.create_task(asyncio.to_thread(scan_places, work.places, patterns, progress))
    try:
        while not (await asyncio.wait([task], timeout=TICK_S))[0]:
            await work.tick()
    finally:
        stopped = True
        scan: Scan = await task
    duration_ms = round((time.monotonic() - started) * 1000)
    return await describe_scan(work.database.owner(), work.places, patterns, scan, duration_ms)
