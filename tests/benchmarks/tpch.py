"""Analytic SQL on TPC-H files in a bucket: ungoverned and governed over HTTP, beside plain DataFusion and DuckDB.

All contestants read the same files with the same number of threads, and take turns; their answers are compared before
anybody's time is taken.
"""

import http.client
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import msgspec
import pyarrow as pa
from datafusion import SessionContext

from app.db.queries import load_queries
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home
from tests.benchmarks.http import serving

SCALE = 0.1 if QUICK else 1.0
TURNS = 3 if QUICK else 9
QUERIES = load_queries(__file__, "tpch.sql")
NUMBERS = {
    "pricing_summary": "Q1",
    "shipping_priority": "Q3",
    "local_supplier_volume": "Q5",
    "forecasting_revenue": "Q6",
    "product_type_profit": "Q9",
    "large_volume_customer": "Q18",
}
ARROW = "application/vnd.apache.arrow.stream"
GOVERNED_TARGET, PLAIN_TARGET, DUCKDB_TARGET, FIXED_TARGET_MS = 1.15, 1.05, 1.3, 30


class Policy(msgspec.Struct, frozen=True):
    """What a reader sees of a table: one column masked but for its first characters, 1% of the rows hidden."""

    masked: str
    keep: int
    row_filter: str


#: Regions and nations are too few for one in a hundred.
POLICIES = {
    "region": Policy("r_comment", 4, "r_regionkey >= 0"),
    "nation": Policy("n_name", 2, "n_nationkey >= 0"),
    "supplier": Policy("s_name", 4, "s_acctbal >= -890"),
    "customer": Policy("c_name", 4, "c_acctbal >= -890"),
    "part": Policy("p_mfgr", 4, f"p_partkey > {2000 * SCALE:.0f}"),
    "partsupp": Policy("ps_comment", 4, "ps_availqty > 100"),
    "orders": Policy("o_clerk", 4, f"o_custkey > {1500 * SCALE:.0f}"),
    "lineitem": Policy("l_shipmode", 1, f"l_suppkey > {100 * SCALE:.0f}"),
}
#: The same by hand, in the words of the engine.
SPELLED_OUT = """
create view {table}_safe as select {columns} from {table} where {row_filter}
"""
MASK = """
case when character_length({column}) <= {keep} then repeat('*', character_length({column}))
else left({column}, {keep}) || repeat('*', character_length({column}) - {keep}) end as {column}
"""
Ask: TypeAlias = Callable[[str], pa.Table]


class Client:
    """Sends with a key; a connection for each request, since the server closes those that idle for 5 seconds."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def with_key(self, key: str) -> "Client":
        """Another one."""
        return Client(self._port, key)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """JSON for JSON."""
        return json.loads(self._send(path, body, "application/json"))

    def ask(self, statement: str) -> pa.Table:
        """The rows of a query, sent as Arrow."""
        body = self._send("/query/sql", {"sql": statement}, ARROW)
        return pa.ipc.open_stream(body).read_all()

    def _send(self, path: str, body: Mapping[str, Any], accept: str) -> bytes:
        self._connection.request("POST", path, json.dumps(body), {**self._headers, "Accept": accept})
        answer = self._connection.getresponse()
        content = answer.read()
        self._connection.close()
        assert answer.status < 300, content
        return content


def generate(folder: Path) -> None:
    """The tables at this scale, a Parquet file each."""
    command = [str(Path(sys.executable).with_name("tpchgen-cli")), "parquet", "-s", f"{SCALE:g}"]
    subprocess.run([*command, "--output-dir", str(folder)], check=True, capture_output=True)


def prepare(admin: Client) -> str:
    """The files as datasets, their safe views, a profile that reads those; the key of a reader."""
    for table, policy in POLICIES.items():
        dataset = admin.post("/catalog/datasets/attach", {"name": table, "path": f"tpch/{table}.parquet"})
        view = {
            "name": f"{table}_safe",
            "base_dataset": table,
            "columns": [column["name"] for column in dataset["columns"]],
            "row_filter": policy.row_filter,
            "redactions": {policy.masked: {"action": "mask", "keep_prefix": policy.keep}},
        }
        admin.post("/catalog/views", view)
    admin.post(
        "/catalog/profiles", {"id": "analyst", "bound_datasets": [f"{table}_safe" for table in POLICIES]}
    )
    key: str = admin.post("/access/keys", {"name": "analyst", "kind": "reader", "profile": "analyst"})["key"]
    return key


def open_plain(folder: Path) -> Ask:
    """DataFusion as it comes, kept open, with the same masks and filters by hand under the names of the views."""
    context = SessionContext()
    for table, policy in POLICIES.items():
        context.register_parquet(table, str(folder / f"{table}.parquet"))
        columns = [
            MASK.format(column=name, keep=policy.keep) if name == policy.masked else name
            for name in context.table(table).schema().names
        ]
        context.sql(SPELLED_OUT.format(table=table, columns=", ".join(columns), row_filter=policy.row_filter))
    return lambda statement: context.sql(statement).to_arrow_table()


def open_duckdb(folder: Path) -> Ask:
    """DuckDB as it comes, kept open, with as many threads as there are cores."""
    connection = duckdb.connect()
    connection.execute(f"set threads = {os.cpu_count()}")
    for table in POLICIES:
        connection.execute(f"create view {table} as select * from '{folder / f'{table}.parquet'}'")
    return lambda statement: connection.sql(statement).to_arrow_table()


def spell(query: str, suffix: str = "") -> str:
    """A query of the file for tables of the same names, or for their views."""
    return str(QUERIES[query]).rstrip(";").format_map({table: table + suffix for table in POLICIES})


def compare(answers: Mapping[str, pa.Table], query: str) -> None:
    """All say the same; averages have as many digits as each engine likes."""
    (first, wanted), *others = answers.items()
    for name, table in others:
        rows, expected = (
            [[_plain(value) for value in row.values()] for row in found.to_pylist()]
            for found in (table, wanted)
        )
        assert len(rows) == len(expected) > 0, (
            f"{query}: {len(rows)} rows of {name}, {len(expected)} of {first}"
        )
        for row, other in zip(rows, expected, strict=True):
            assert all(map(_same, row, other)), f"{query}: {row} of {name} is {other} of {first}"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    return bool(one == other)


def measure(home: Home) -> list[Figure]:
    """The six queries by each contestant in turns."""
    folder = home.settings.home / "buckets" / "local" / "tpch"
    generate(folder)
    plain, duck = open_plain(folder), open_duckdb(folder)
    with serving(home) as port:
        admin = Client(port, home.settings.admin_key_file.read_text().strip())
        reader = Client(port, prepare(admin))
        asks: dict[str, tuple[Ask, str]] = {
            "plain": (plain, ""),
            "admin": (admin.ask, ""),
            "duckdb": (duck, ""),
            "by hand": (plain, "_safe"),
            "reader": (reader.ask, "_safe"),
        }
        for query in (*NUMBERS, "fixed_cost"):
            for group in (("plain", "admin", "duckdb"), ("by hand", "reader")):
                compare({name: asks[name][0](spell(query, asks[name][1])) for name in group}, query)
        times = {query: _take_turns(asks, query) for query in (*NUMBERS, "fixed_cost")}
    return list(_figures(times))


def _take_turns(asks: Mapping[str, tuple[Ask, str]], query: str) -> dict[str, float]:
    """The median seconds of each."""
    samples: dict[str, list[float]] = {name: [] for name in asks}
    order = list(asks)
    for turn in range(TURNS):
        random.Random(turn).shuffle(order)
        for name in order:
            ask, suffix = asks[name]
            statement = spell(query, suffix)
            started = time.perf_counter()
            ask(statement)
            samples[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in samples.items()}


def _figures(times: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    fixed = times["fixed_cost"]
    pairs = (
        (
            "governed, over HTTP",
            "reader",
            "by hand",
            "same masks and filters in plain DataFusion",
            GOVERNED_TARGET,
        ),
        ("ungoverned, over HTTP", "admin", "plain", "plain DataFusion", PLAIN_TARGET),
        ("ungoverned, over HTTP", "admin", "duckdb", "DuckDB", DUCKDB_TARGET),
    )
    figures = []
    for what, ours, peer, called, target in pairs:
        mine, theirs = (sum(times[query][name] for query in NUMBERS) for name in (ours, peer))
        each = [f"{label} {times[query][ours] / times[query][peer]:.2f}" for query, label in NUMBERS.items()]
        figures.append(
            Figure(
                name=f"TPC-H SF {SCALE:g}, 6 queries {what}",
                ours=f"{mine * 1000:,.0f} ms",
                peer=f"{theirs * 1000:,.0f} ms ({called})",
                value=mine / theirs,
                unit="x",
                relation="<=",
                target=target,
                note=", ".join(each),
            )
        )
    alone = (fixed["reader"] - fixed["by hand"]) * 1000
    figures.append(
        Figure(
            name="fixed cost of a query over HTTP",
            ours=f"{fixed['reader'] * 1000:.1f} ms",
            peer=f"{fixed['by hand'] * 1000:.1f} ms",
            value=alone,
            unit="ms",
            relation="<=",
            target=FIXED_TARGET_MS,
            note="five rows, governed; in each of the six above, too: a process of its own, catalog, audit, HTTP",
        )
    )
    return figures
