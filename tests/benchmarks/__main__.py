"""`make bench`: every figure beside its peer, as a table and as bench.json. A missed target is said, not failed.

LAKEWARD_BENCH_ONLY=search,http,filters,build,ingest,embed,quality,start,views,tombstones,trials,peers,refresh,load,profiles,journal,moves,tpch,growth,answers
picks some;
LAKEWARD_BENCH_QUICK=1 measures less.
"""

import datetime
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    answers,
    build,
    embed,
    filters,
    growth,
    http,
    ingest,
    journal,
    load,
    moves,
    peers,
    profiles,
    quality,
    refresh,
    search,
    start,
    tombstones,
    tpch,
    trials,
    views,
)
from tests.benchmarks.corpus import load_corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, open_home

PARTS = (
    "search",
    "http",
    "filters",
    "build",
    "ingest",
    "embed",
    "quality",
    "start",
    "views",
    "tombstones",
    "trials",
    "peers",
    "refresh",
    "load",
    "profiles",
    "journal",
    "moves",
    "tpch",
    "growth",
    "answers",
)
#: Those that search the index of the corpus.
ON_CORPUS = {"search", "http", "filters", "build", "tombstones", "trials", "peers", "refresh", "load"}
PACKAGES = (
    "psycopg",
    "pgvector",
    "litestar",
    "uvicorn",
    "duckdb",
    "datafusion",
    "onnxruntime",
    "adbc-driver-postgresql",
)


def main() -> None:
    """Measure, print, keep."""
    wanted = os.environ.get("LAKEWARD_BENCH_ONLY", ",".join(PARTS)).split(",")
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"LAKEWARD_BENCH_ONLY: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    figures: list[Figure] = []
    if {*ON_CORPUS, "embed"} & set(wanted):
        _say("loading the corpus")
        corpus = load_corpus()
    with open_home() as home:
        if ON_CORPUS & set(wanted):
            _say(f"building an index of {len(corpus.glosses):,} vectors, then searching")
            prepared, tuned = search.measure(home, corpus), None
            figures += prepared.figures if "search" in wanted else []
            if "http" in wanted:
                _say("searching over HTTP")
                figures += http.measure(home, corpus, prepared.variant_id)
            if "filters" in wanted:
                _say("searching with filters")
                figures += filters.measure(home, corpus)
            if "build" in wanted:
                _say("building graphs")
                figures += build.measure(home)
            if "trials" in wanted:
                _say("tuning")
                tuning, tuned = trials.measure(home, corpus)
                figures += tuning
            if "peers" in wanted:
                _say("searching beside peers at a recall of .99")
                figures += peers.measure(home, corpus, tuned)
            if "refresh" in wanted:
                _say(f"refreshing {refresh.ROWS:,} rows")
                figures += refresh.measure(home, corpus)
            if "load" in wanted:
                _say("searching while others work")
                figures += load.measure(home, corpus)
            if "tombstones" in wanted:
                _say("searching among tombstones, then making some")
                figures += tombstones.measure(home, corpus)
        if "ingest" in wanted:
            _say("loading a CSV")
            figures += ingest.measure(home)
        if "views" in wanted:
            _say("reading through a view")
            figures += views.measure(home)
        if "journal" in wanted:
            _say("keeping a journal")
            figures += journal.measure(home)
        if "moves" in wanted:
            _say("copying a table into a bucket, and back")
            figures += moves.measure(home)
        if "tpch" in wanted:
            _say(f"asking TPC-H at scale factor {tpch.SCALE:g}")
            figures += tpch.measure(home)
        if "answers" in wanted:
            _say(f"answering {answers.ROWS:,} rows")
            figures += answers.measure(home)
        if "embed" in wanted:
            _say("embedding")
            figures += embed.measure(corpus)
        if "quality" in wanted:
            _say("judging answers")
            figures += quality.measure(home)
        if "start" in wanted:
            _say("starting")
            figures += start.measure(home)
    if "profiles" in wanted:
        _say(f"making {profiles.MANY:,} profiles")
        figures += profiles.measure()
    if "growth" in wanted:
        _say(f"asking among {growth.DATASETS[-1]:,} datasets")
        figures += growth.measure()
    _print(figures)
    _keep(figures)


def _say(what: str) -> None:
    print(f"bench: {what} …", file=sys.stderr, flush=True)


def _print(figures: list[Figure]) -> None:
    table = Table(title="Lakeward beside its peers, in one run", title_justify="left")
    for column in ("figure", "ours", "peer", "result", "target", ""):
        table.add_column(column, overflow="fold")
    for figure in figures:
        table.add_row(
            figure.name,
            figure.ours,
            figure.peer,
            f"{figure.value:.2f} {figure.unit}".strip(),
            f"{figure.relation} {figure.target:g} {figure.unit}".strip(),
            "met" if figure.met else "NOT MET",
        )
        if figure.note:
            table.add_row(f"[dim]  {figure.note}[/dim]", "", "", "", "", "")
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def _keep(figures: list[Figure]) -> None:
    document = {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "quick": QUICK,
        "versions": {package: version(package) for package in PACKAGES},
        "figures": [{**msgspec.to_builtins(figure), "met": figure.met} for figure in figures],
    }
    path = Path("bench.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2))
    _say(f"kept as {path}")


if __name__ == "__main__":
    main()
