"""What the record costs: row updates with and without journal, sealing and verifying, one audit entry."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import open_database
from app.db.scope import Actor
from app.journal.audit import Call, record_call
from app.journal.sealing import flush
from app.journal.verification import verify_journal
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home

ROWS = 2_000 if QUICK else 10_000
#: Turns are short, so that whatever else the machine does meets both.
STEP = 250
COLUMNS = {
    "id": "bigint",
    "name": "text",
    "email": "text",
    "amount": "numeric",
    "city": "text",
    "note": "text",
    "born": "date",
    "seen": "timestamptz",
    "ok": "boolean",
    "score": "double precision",
}
FILL = (
    "insert into lake.{} select i, 'name ' || i, 'e' || i || '@example.org', i * 1.5, 'city ' || (i % 50), "
    "repeat('note ', 5), date '2000-01-01' + (i % 5000)::int, now(), true, i / 3.0 from generate_series(1, {}) i"
)
Update = Callable[[Any, str, range, str], None]


def _each(connection: Any, table: str, ids: range, value: str) -> None:
    statement = sql.SQL("update lake.{} set city = %s where id = %s").format(sql.Identifier(table))
    with connection.cursor() as cursor:
        for row in ids:
            cursor.execute(statement, (f"{value} {row}", row))


def _pipelined(connection: Any, table: str, ids: range, value: str) -> None:
    statement = sql.SQL("update lake.{} set city = %s where id = %s").format(sql.Identifier(table))
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(f"{value} {row}", row) for row in ids])


def _in_plpgsql(connection: Any, table: str, ids: range, value: str) -> None:
    connection.execute(
        sql.SQL(
            "do $$ begin for i in {}..{} loop update lake.{} set city = {} || i where id = i; end loop; end $$"
        ).format(ids.start, ids.stop - 1, sql.Identifier(table), value)
    )


WAYS: dict[str, tuple[Update, str]] = {
    "10,000 single-row updates, journaled: psycopg, one statement after another": (_each, ""),
    "the same, pipelined (executemany)": (_pipelined, ""),
    "the same, a loop in plpgsql": (
        _in_plpgsql,
        "the peer's update alone takes 7 us here; an INSERT takes 10",
    ),
}


def _compare(connection: Any, update: Update, role: str) -> tuple[float, float]:
    """Seconds of all rows, journaled and bare, from medians of short turns in one transaction."""
    took: dict[str, list[float]] = {"journaled": [], "bare": []}
    actor = '{"principal": "key_1", "profile": "", "model": "", "request_id": "r", "source": "api"}'
    connection.execute(
        "select set_config('lakeward.actor', %s, true), set_config('role', %s, true)", [actor, role]
    )
    for start in range(1, ROWS + 1, STEP):
        for table in ("journaled", "bare"):
            began = time.perf_counter()
            update(connection, table, range(start, start + STEP), str(time.time()))
            took[table].append(time.perf_counter() - began)
    connection.commit()
    ours, peer = (statistics.median(took[table]) * (ROWS / STEP) for table in ("journaled", "bare"))
    return ours, peer


def _updates(home: Home) -> list[Figure]:
    figures = []
    role = home.deployment.owner_role
    with psycopg.connect(home.service_dsn) as connection:
        for name, (update, note) in WAYS.items():
            _compare(connection, update, role)
            ours, peer = _compare(connection, update, role)
            figures.append(
                Figure(
                    name=name.replace("10,000", f"{ROWS:,}"),
                    ours=f"{ours * 1000:.0f} ms",
                    peer=f"{peer * 1000:.0f} ms (no journal)",
                    value=ours / peer,
                    unit="x",
                    relation="<=",
                    target=2.5,
                    note=note,
                )
            )
    return figures


async def _record(home: Home) -> list[Figure]:
    database = await open_database(home.service_dsn, home.settings)
    try:
        began = time.perf_counter()
        sealed = await flush(database, home.settings.home)
        sealing = time.perf_counter() - began
        began = time.perf_counter()
        found = await verify_journal(database, home.settings.home)
        verifying = time.perf_counter() - began
        assert found.valid and found.checked == sealed.entries
        scope = database.steward(Actor(principal="key_1", profile="alpha", source="api"))
        call = Call(door="search", operation="x", relations=["people"], arguments=b"x")
        samples = []
        for _ in range(500):
            began = time.perf_counter()
            await record_call(database, scope, call, rows=10, duration_ms=1.0)
            samples.append(time.perf_counter() - began)
    finally:
        await database.close()
    return [
        Figure(
            name="sealing and verifying the journal",
            ours=f"{sealed.entries / sealing:,.0f}/s sealed",
            peer="-",
            value=found.checked / verifying,
            unit="entries/s",
            relation=">=",
            target=20_000,
            note=f"{found.checked:,} entries in {found.seals} seals; two SHA-256 and a row read for each",
        ),
        Figure(
            name="one audit entry, p50",
            ours=f"{statistics.median(samples) * 1000:.2f} ms",
            peer="-",
            value=statistics.median(samples) * 1000,
            unit="ms",
            relation="<=",
            target=1.0,
            note="a round trip of its own; in a search's statement it costs about 0.1 ms; audit.durable = false",
        ),
    ]


async def _prepare(home: Home) -> None:
    database = await open_database(home.service_dsn, home.settings)
    try:
        columns = [ColumnRequest(name=name, type=kind) for name, kind in COLUMNS.items()]  # type: ignore[arg-type]
        request = DatasetRequest(name="journaled", row_key="id", columns=columns)
        await create_or_update_dataset(database.steward(), request)
        async with database.owner().begin({"lakeward.journal_rows": "off"}) as transaction:
            await transaction.execute("create table lake.bare (like lake.journaled including all)")
            for table in ("journaled", "bare"):
                await transaction.execute(FILL.format(table, ROWS).encode())
    finally:
        await database.close()


def measure(home: Home) -> list[Figure]:
    """The figures of this module."""
    asyncio.run(_prepare(home))
    with psycopg.connect(home.admin_dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze lake.journaled, lake.bare")
    figures = _updates(home) + asyncio.run(_record(home))
    with psycopg.connect(home.admin_dsn, autocommit=True) as connection:
        connection.execute("drop table lake.bare")
    return figures
