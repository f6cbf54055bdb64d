"""What governance costs a reader: its SELECT through its view, beside the owner's with the same masks spelled out."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import duckdb
import psycopg
import uvloop
from psycopg import sql

from app.db.database import open_database
from app.ingest.requests import IngestPlan
from app.ingest.service import ingest
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile
from app.views.models import RedactionRequest, ViewRequest
from app.views.service import create_or_update_view
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home

ROWS = 100_000 if QUICK else 1_000_000
POINTS = 2_000
TARGET = 1.10
GENERATE = """
copy (
  select i as id, 'candidate ' || i as name, 'person' || i || '@example.org' as email,
    '+46 70 ' || (1000000 + i % 8999999) as phone, date '1960-01-01' + (i * 7919 % 14600)::integer as born,
    ['SE', 'DE', 'FR', 'PL', 'NL'][i % 5 + 1] as country, 20000 + i * 31 % 90000 as salary,
    'speaks ' || (i % 40) || ' languages, worked for ' || (i % 900) || ' firms' as note
  from range({rows}) r (i)
) to '{path}' (format parquet)
"""
VIEW = ViewRequest(
    name="candidates_safe",
    base_dataset="candidates",
    columns=["id", "name", "email", "phone", "born", "country", "note"],
    row_filter="country <> 'NL'",
    redactions={
        "name": RedactionRequest(action="mask", keep_prefix=1, keep_suffix=2),
        "email": RedactionRequest(action="hash"),
        "phone": RedactionRequest(action="mask_alphanum"),
        "born": RedactionRequest(action="truncate_to_year"),
    },
)
#: What somebody writes who owns the table; the hash's key is inlined as the subselect that the view has, too.
SPELLED_OUT = """
select d.id,
  case when length(d.name) <= 3 then repeat('*', length(d.name))
    else left(d.name, 1) || repeat('*', length(d.name) - 3) || right(d.name, 2) end as name,
  encode(sha256((select hmac_outer from lakeward.secret) || sha256(
    (select hmac_inner from lakeward.secret) || convert_to(d.email, 'UTF8'))), 'hex') as email,
  regexp_replace(d.phone, '[^] !"#$%&''()*+,./:;<=>?@[\\\\^_`{|}~-]', '*', 'g') as phone,
  case when d.born between '0001-01-01' and '9999-12-31' then date_trunc('year', d.born::timestamp)::date end as born,
  d.country, d.note
from lake.candidates d where d.country <> 'NL'
"""
QUESTIONS: dict[str, LiteralString] = {
    "scan": "copy (select * from {relation}) to stdout",
    "aggregate": "select country, count(*), count(phone), min(born), max(name) from {relation} group by country",
}


async def _prepare(home: Home, path: Path) -> str:
    database = await open_database(home.service_dsn, home.settings)
    try:
        plan = IngestPlan(
            dataset="candidates",
            path=str(path),
            filename=path.name,
            content_sha256="0" * 64,
            row_key="id",
            principal="bench",
        )
        await ingest(database, plan)
        steward = database.steward(timeout_ms=600_000)
        await create_or_update_view(steward, VIEW)
        profile, _ = await create_or_update_profile(
            steward, ProfileRequest(id="governed", bound_datasets=["candidates_safe"])
        )
        return profile.role_name
    finally:
        await database.close()


def _seconds(run: Callable[[], object], times: int) -> float:
    samples = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples)


def _asks(
    connection: psycopg.Connection[Any], question: LiteralString, relation: sql.Composable
) -> Callable[[], int]:
    statement = sql.SQL(question).format(relation=relation)

    def scan() -> int:
        with connection.cursor().copy(statement) as copy:
            return sum(len(block) for block in copy)

    def ask() -> int:
        return len(connection.execute(statement).fetchall())

    return scan if question.startswith("copy") else ask


def _points(
    connection: psycopg.Connection[Any], relation: sql.Composable, ids: list[int]
) -> Callable[[], object]:
    # the text of the masks has a % of its own
    escaped = sql.SQL(relation.as_string(None).replace("%", "%%"))
    statement = sql.SQL("select * from {} where id = %s").format(escaped)
    cursor = connection.cursor(binary=True)

    def run() -> list[Any]:
        return [cursor.execute(statement, [key], prepare=True).fetchall() for key in ids]

    return run


def measure(home: Home) -> list[Figure]:
    """Scan, aggregate and point read on the same rows, taking turns; the answers are compared first."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "candidates.parquet"
        duckdb.sql(GENERATE.format(rows=ROWS, path=path))
        role = uvloop.run(_prepare(home, path))
    with (
        psycopg.connect(home.service_dsn, autocommit=True) as ours,
        psycopg.connect(home.service_dsn, autocommit=True) as owner,
    ):
        ours.execute("select set_config('role', %s, false)", [role])
        owner.execute("select set_config('role', %s, false)", [home.deployment.owner_role])
        view = sql.Identifier("p_governed", "candidates_safe")
        spelled_out = sql.SQL("({}) spelled_out").format(sql.SQL(SPELLED_OUT))  # type: ignore[arg-type]
        _compare(ours, owner, view, spelled_out)
        figures = []
        ids = random.Random(7).sample(range(ROWS), POINTS)
        pairs = {
            f"governed {name}, {ROWS:,} rows": (
                _asks(ours, question, view),
                _asks(owner, question, spelled_out),
                1,
            )
            for name, question in QUESTIONS.items()
        } | {
            f"governed point read of {ROWS:,} rows": (
                _points(ours, view, ids),
                _points(owner, spelled_out, ids),
                POINTS,
            )
        }
        for name, (our_run, owner_run, count) in pairs.items():
            figures.append(_figure(name, our_run, owner_run, count))
    return figures


def _compare(
    ours: psycopg.Connection[Any],
    owner: psycopg.Connection[Any],
    view: sql.Composable,
    spelled_out: sql.Composable,
) -> None:
    statement = sql.SQL(
        "with r as (select * from {} where id < 50000) "
        "select count(*), md5(string_agg(r::text, '|' order by id)) from r"
    )
    found = ours.execute(statement.format(view)).fetchone()
    wanted = owner.execute(statement.format(spelled_out)).fetchone()
    assert found == wanted, "the two do not answer the same"


def _figure(name: str, our_run: Callable[[], object], owner_run: Callable[[], object], count: int) -> Figure:
    our_run(), owner_run()
    ours, peers = [], []
    for turn in range(3):
        for run, samples in (
            ((our_run, ours), (owner_run, peers)) if turn % 2 else ((owner_run, peers), (our_run, ours))
        ):
            samples.append(_seconds(run, 1) / count * 1000)
    mine, peer = statistics.median(ours), statistics.median(peers)
    return Figure(
        name=name,
        ours=f"{mine:,.3f} ms" if count > 1 else f"{mine:,.0f} ms",
        peer=f"{peer:,.3f} ms" if count > 1 else f"{peer:,.0f} ms",
        value=mine / peer,
        unit="x owner",
        relation="<=",
        target=TARGET,
    )
