"""What was measured, and what is warm, as tables: one for all that compares, with a line of what it is about."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from app.cli.output import moment, say, show_table

Document = dict[str, Any]
HEADERS = ["graph", "ef_search#", "recall#", "at least#", "p50 ms#", "p95 ms#", "built s#", "MB#"]
#: What rows of one table have in common.
SAME = ("job_id", "eval", "eval_version", "queries", "k", "vectors", "model_name", "model_version")


def show_jobs(rows: Sequence[Document], *, none: str = "nothing measured yet") -> None:
    """A table of each job's rows, in their order; a job that was tried again may have asked something else."""
    groups = [list(group) for _, group in groupby(rows, lambda row: [row.get(name) for name in SAME])]
    if not groups:
        show_rows([], none=none)
    for group in groups:
        first = group[0]
        say(f"{first['kind']} {first['job_id']}, {moment(first['measured_at'])}", "bold")
        say(about(group), "dim")
        show_rows(group)


def about(rows: Sequence[Document]) -> str:
    """What measurements that compare are of; the index may have grown between them."""
    row, vectors = rows[0], [row["vectors"] for row in rows]
    among = " to ".join(f"{count:,}" for count in sorted({min(vectors), max(vectors)}))
    return (
        f"recall@{row['k']} of {row['queries']:,} questions (eval set {row['eval']}) among {among} vectors of "
        f"{row['model_name']} ({row['model_version'][:12]})"
    )


def show_rows(rows: Sequence[Document], *, none: str = "nothing measured yet") -> None:
    """A table of rows that have all else in common."""
    show_table(
        HEADERS,
        (
            [
                _graph(row["arm"]),
                row["arm"]["ef_search"],
                f"{row['recall']:.4f}",
                f"{row['recall_low']:.4f}",
                f"{row['p50_us'] / 1000:.2f}",
                f"{row['p95_us'] / 1000:.2f}",
                f"{row['build_s']:,.1f}",
                _round(row["bytes"] / 2**20),
            ]
            for row in rows
        ),
        none=none,
    )


def show_best(found: Document) -> None:
    """What `best` answers; all of it was asked the same."""
    rows = found["items"]
    asked = f" with eval set {found['eval']} as it is now" if found["eval"] else ""
    if rows:
        show_rows(rows)
        say(about(rows), "dim")
        times = sorted(row["measured_at"] for row in rows)
        say(
            "measured " + " to ".join(dict.fromkeys(str(moment(one)) for one in (times[0], times[-1]))), "dim"
        )
    elif found["metric"] == "latency":
        say(f"nothing measured{asked} that reaches a recall of {found['min_recall']:g}", "dim")
    else:
        say(f"nothing measured yet{asked}", "dim")


def show_cache(found: Document) -> None:
    """How large indexes are, each with its profiles, and what of their graphs is warm."""
    if not found["items"]:
        say("no indexes", "dim")
    for name, group in groupby(found["items"], lambda item: item["index"]):
        items = list(group)
        say(f"index {name}", "bold")
        chunks, texts = (_round(items[0][part] / 2**20) for part in ("chunk_bytes", "text_bytes"))
        say(f"chunks {chunks} MB, texts {texts} MB", "dim")
        show_table(
            ["profile", "HNSW", "graph MB#", "from memory#", "last used"],
            (
                [
                    item["profile"],
                    "lance" if item["backend"] == "lance" else item["state"] or "exact",
                    None if item["variant_bytes"] is None else _round(item["variant_bytes"] / 2**20),
                    None if item["hit_ratio"] is None else f"{item['hit_ratio']:.1%}",
                    moment(item["last_used_at"]),
                ]
                for item in items
            ),
            whole=True,
        )
    if found["shared_buffers_bytes"]:
        say(f"Postgres keeps up to {found['shared_buffers_bytes']:,} bytes of all of them", "dim")


def _round(megabytes: float) -> str:
    if 0 < megabytes < 0.1:
        return "< 0.1"
    return f"{megabytes:.1f}" if megabytes < 100 else f"{megabytes:,.0f}"


def _graph(arm: Document) -> str:
    plain = f"m{arm['m']}/{arm['ef_construction']}"
    return plain if arm["type"] == "halfvec" else f"{plain} {arm['type']}"
