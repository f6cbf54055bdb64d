"""erase."""

from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import duration, moment, say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected
from app.cli.tombstones import KEYS, KEYS_FROM, all_keys
from app.cli.watch import wait_for_job

Document = dict[str, Any]


@click.command()
@click.argument("dataset")
@KEYS
@KEYS_FROM
@click.option("--reason", required=True, help="Why; it stays in the receipt, so it must not hold their data.")
@click.option("--dry-run", is_flag=True, help="Say what would be touched, and where it lies; change nothing.")
@YES
@connected()
def erase(
    session: Session,
    dataset: str,
    keys: tuple[str, ...],
    keys_from: Any,
    reason: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Erase the rows with these keys: rows, chunks, images, journal values, old files and WAL, ending with a receipt.

    The same command again goes on with one that failed or was stopped.
    """
    values = all_keys(keys, keys_from)
    if not dry_run:
        rows = "1 row" if len(values) == 1 else f"{len(values):,} rows"
        confirm(f"Erase {rows} of {dataset} for good, with every byte? It cannot be undone.", yes)
    accepted = session.api.post(
        "/catalog/erasures",
        {"dataset": dataset, "row_key_values": values, "reason": reason, "dry_run": dry_run},
    )
    wait_for_job(session, accepted["job_id"])
    path = f"/catalog/erasures/{segment(accepted['id'])}"
    answer = session.api.get(path if dry_run else f"{path}/receipt")
    if session.as_json:
        show_json(answer)
    elif dry_run:
        _show_dry(answer)
    else:
        _show_receipt(answer)


def _show_dry(erasure: Document) -> None:
    found = erasure["found"]
    collected = found["collected"]
    show_fields(
        [
            ("dry run", f"nothing was changed in {erasure['dataset']}"),
            ("keys", erasure["keys"]),
            ("rows", collected["rows"]),
            ("row images", collected["images"]),
            *_chunks(collected["chunks"]),
            ("journal entries", collected["journal_entries"]),
            ("rejected rows", collected["rejected_rows"]),
            *_said(collected),
            ("shared with others", _kinds(collected["shared"])),
            ("searched for", _kinds(found["scan_before"]["patterns"])),
            ("searched", _extent(found["scan_before"])),
        ]
    )
    say("")
    _show_places(found["scan_before"], None)


def _show_receipt(answer: Document) -> None:
    receipt = answer["receipt"]
    removed = receipt["removed"]
    show_fields(
        [
            ("erased", f"{receipt['keys']:,} of {receipt['dataset']}"),
            ("erasure", receipt["erasure"]),
            ("reason", receipt["reason"]),
            ("requested", f"{moment(receipt['requested_at'])} by {receipt['requested_by']}"),
            ("finished", moment(receipt["finished_at"])),
            ("rows", removed["rows"]),
            ("row images", removed["row_images"]),
            *_chunks(removed["chunks"]),
            ("journal values", removed["journal_payloads"]),
            ("rejected rows", removed["rejected_rows"]),
            *_said(removed),
            ("unknown keys", removed["unknown_keys"] or None),
            ("rewritten", [item["relation"] for item in receipt["rewritten"]]),
            ("searched for", _kinds(receipt["scan_after"]["patterns"])),
            ("searched", _extent(receipt["scan_after"])),
            ("shared with others", _kinds(receipt["not_searched"]["also_in_other_rows"])),
            ("proved by scan", receipt["verified_by_scan"]),
            ("sha256", answer["sha256"]),
        ]
    )
    say("")
    _show_places(receipt["scan_before"], receipt["scan_after"])
    say("not reached:", "bold")
    for place in receipt["not_reached"]:
        say(f"  {place}")


def _said(counts: Document) -> list[tuple[str, Any]]:
    """What was said of the rows elsewhere; receipts of before do not count it."""
    return [("messages of jobs", counts.get("jobs")), ("questions", counts.get("eval_queries"))]


def _chunks(chunks: Document) -> list[tuple[str, Any]]:
    return [(f"chunks in {name}", count) for name, count in chunks.items()]


def _kinds(counts: Document) -> str:
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items())


def _extent(scan: Document) -> str:
    where = "data directory and home" if scan["data_directory"] == "scanned" else "home alone"
    size = f"{scan['bytes'] / 1e6:,.1f} MB"
    return f"{scan['files']:,} files, {size}, in {duration(scan['duration_ms'])}: {where}"


def _show_places(before: Document, after: Document | None) -> None:
    """Where the bytes were found before, and after."""
    counts: dict[str, list[int]] = {}
    for column, scan in enumerate((before, after or {"places": []})):
        for place in scan["places"]:
            counts.setdefault(place["place"], [0, 0])[column] = sum(place["found"].values())
    if after is None:
        show_table(["place", "found#"], ([name, found[0]] for name, found in counts.items()))
        return
    rows = ([name, *found] for name, found in counts.items())
    show_table(["place", "before#", "after#"], rows, none="nothing that could be searched for")
