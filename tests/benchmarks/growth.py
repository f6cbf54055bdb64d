"""What a small query costs as there is more: files of its dataset, and datasets that it does not name."""

import statistics
import time
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext
from psycopg import sql

from app.db.queries import load_queries
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home, open_home
from tests.benchmarks.http import serving
from tests.benchmarks.tpch import Ask, Client

QUERIES = load_queries(__file__, "growth.sql")
FILES = (1, 10, 100, 1_000)
DATASETS = (10, 100, 1_000) if QUICK else (10, 1_000, 10_000)
ROWS = 1_000
TURNS = 5 if QUICK else 15
#: One more dataset costs nothing; so much is noise.
DATASETS_TARGET = 1.2
#: Of the engine alone, which opens the same files.
FILES_TARGET = 2.0
QUESTION = "select count(*) as n, sum(value) as total from files_{count} where id between 500 and 509"


def write_files(folder: Path) -> None:
    """Folders of 1, 10, 100 and 1,000 files; each file has keys of its own, so all but the first can be left out."""
    for count in FILES:
        (folder / f"files_{count}").mkdir(parents=True)
        for n in range(count):
            ids = range(n * ROWS, (n + 1) * ROWS)
            table = pa.table(
                {"id": ids, "value": [i * 0.5 for i in ids], "name": [f"name {i % 97}" for i in ids]}
            )
            pq.write_table(table, folder / f"files_{count}" / f"part-{n:04d}.parquet")


def prepare(admin: Client) -> Client:
    """Each folder as a dataset with a view that hides and masks; a reader of those."""
    views = []
    for count in FILES:
        admin.post("/catalog/datasets/attach", {"name": f"files_{count}", "path": f"growth/files_{count}"})
        views.append(f"files_{count}_safe")
        admin.post(
            "/catalog/views",
            {
                "name": views[-1],
                "base_dataset": f"files_{count}",
                "columns": ["id", "value", "name"],
                "row_filter": "id <> 507",
                "redactions": {"name": {"action": "mask", "keep_prefix": 1}},
            },
        )
    admin.post("/catalog/profiles", {"id": "analyst", "bound_datasets": views})
    key = admin.post("/access/keys", {"name": "analyst", "kind": "reader", "profile": "analyst"})["key"]
    return admin.with_key(key)


def add_datasets(home: Home, first: int, last: int) -> None:
    """So many datasets more, by SQL: what they are made by is not measured."""
    with psycopg.connect(home.service_dsn) as connection:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(home.deployment.owner_role)))
        for statement in QUERIES.values():
            connection.execute(statement, {"first": first, "last": last} if "%(first)s" in statement else {})


def _seconds(ask: Ask, statement: str) -> float:
    samples = []
    for turn in range(TURNS + 1):
        started = time.perf_counter()
        (row,) = ask(statement).to_pylist()
        if turn:
            samples.append(time.perf_counter() - started)
        assert row["n"] in (9, 10), row
    return statistics.median(samples)


def _ask_plain(folder: Path, count: int) -> Ask:
    def ask(statement: str) -> pa.Table:
        context = SessionContext()
        context.register_parquet(f"files_{count}_safe", f"{folder / f'files_{count}'}/")
        return context.sql(statement).to_arrow_table()

    return ask


def measure() -> list[Figure]:
    """In a home of its own: the catalog becomes large."""
    with open_home() as home:
        folder = home.settings.home / "buckets" / "local" / "growth"
        write_files(folder)
        with serving(home) as port:
            reader = prepare(Client(port, home.settings.admin_key_file.read_text().strip()))
            ours, plain = (
                {
                    count: _seconds(ask(count), QUESTION.format(count=f"{count}_safe")) * 1000
                    for count in FILES
                }
                for ask in (lambda _: reader.ask, lambda count: _ask_plain(folder, count))
            )
            named = QUESTION.format(count="10_safe")
            found, last = {}, 0
            for count in DATASETS:
                add_datasets(home, last + 1, count)
                last = count
                found[count] = _seconds(reader.ask, named) * 1000
    return [_files(ours, plain), _datasets(found)]


def _files(ours: dict[int, float], plain: dict[int, float]) -> Figure:
    few, many = FILES[0], FILES[-1]
    mine, theirs = (times[many] - times[few] for times in (ours, plain))
    return Figure(
        name=f"a filtered query of {many:,} files, beyond that of one",
        ours=f"{mine:.0f} ms",
        peer=f"{theirs:.0f} ms (plain DataFusion)",
        value=mine / theirs,
        unit="x",
        relation="<=",
        target=FILES_TARGET,
        note=", ".join(f"{count:,} files {ours[count]:.0f} ms ({plain[count]:.0f})" for count in FILES),
    )


def _datasets(found: dict[int, float]) -> Figure:
    few, many = DATASETS[0], DATASETS[-1]
    return Figure(
        name=f"a query of one dataset among {many:,}",
        ours=f"{found[many]:.1f} ms",
        peer=f"{found[few]:.1f} ms (among {few})",
        value=found[many] / found[few],
        unit="x",
        relation="<=",
        target=DATASETS_TARGET,
        note=", ".join(f"{count:,} datasets {ms:.1f} ms" for count, ms in found.items()),
    )
