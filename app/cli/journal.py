"""journal, audit."""

import json
import sys
from typing import Any
from urllib.parse import quote

import rich_click as click
from rich.text import Text

from app.cli.client import LONG_S
from app.cli.output import duration, excerpt, moment, note, printable, say, show_fields, show_json, show_table
from app.cli.session import Session, connected

Document = dict[str, Any]
LIMIT = click.IntRange(1, 500)


@click.group()
def journal() -> None:
    """Read the journal, verify it, seal it now."""


@journal.command("history")
@click.argument("entity", metavar="KEY")
@click.option("--dataset", required=True, metavar="NAME", help="The dataset or view that the row is of.")
@click.option("--as", "profile", metavar="PROFILE", help="As the reader of this profile.")
@connected()
def show_history(session: Session, entity: str, dataset: str, profile: str | None) -> None:
    """The life of one row, oldest first: loads, changes, tombstone, undo."""
    api = session.as_reader(profile) if profile else session.api
    page = api.list_all(f"/journal/history/{quote(entity, safe='')}", dataset=dataset)
    _show_entries(session, page, none=f"nothing about {entity} of {dataset} that this key may see")


@journal.command("recent")
@click.option("--dataset", metavar="NAME", help="Only of this dataset.")
@click.option("--kind", help="Only of this kind: update, insert, delete, load, tombstone …")
@click.option("-n", "--limit", type=LIMIT, default=20, show_default=True, help="The newest so many.")
@click.option("--as", "profile", metavar="PROFILE", help="As the reader of this profile.")
@connected()
def show_recent(
    session: Session, dataset: str | None, kind: str | None, limit: int, profile: str | None
) -> None:
    """The newest entries, newest first."""
    api = session.as_reader(profile) if profile else session.api
    page = api.get("/journal/recent", dataset=dataset, kind=kind, limit=limit)
    _show_entries(session, page, none="nothing on record yet")


def _show_entries(session: Session, page: Document, *, none: str) -> None:
    if session.as_json:
        show_json(page)
        return
    rows = (
        [moment(e["at"]), e["kind"], _subject(e), _change(e), _by(e), str(e["id"])] for e in page["items"]
    )
    show_table(["when", "what", "of", "change", "by", "entry#"], rows, none=none)


def _subject(entry: Document) -> str:
    return " ".join(str(part) for part in (entry["dataset"], entry["entity"]) if part is not None)


def _change(entry: Document) -> Text | str | None:
    field, old, new = entry["field"], entry["old"], entry["new"]
    if field is not None:
        return Text(f"{printable(field)}: {_value(old)} → {_value(new)}")
    whole = new if new is not None else old
    return None if whole is None else _value(whole)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(excerpt("–" if value is None else text, 120))


def _by(entry: Document) -> str:
    who = entry["actor"] or entry["source"] or ""
    return f"{who} ({entry['profile']})" if entry["profile"] else who


@journal.command("verify")
@connected()
def verify_journal(session: Session) -> None:
    """Compute every seal again: is the journal as it was sealed? Exit code 1 when it is not."""
    found = session.api.get("/journal/verify", read_s=LONG_S)
    if session.as_json:
        show_json(found)
    elif found["valid"]:
        say(
            f"the journal is as it was sealed: {found['checked']:,} entries in {found['seals']:,} seals",
            "bold",
        )
        if found["unsealed"]:
            note(f"{found['unsealed']:,} entries wait for their seal: lakeward journal flush")
    else:
        say("the journal is NOT as it was sealed", "bold red")
        show_fields(
            [
                ("why", found["reason"]),
                ("seal", found["seal"]),
                ("first bad entry", found["first_bad"]),
                ("good until then", found["checked"]),
            ]
        )
    if not found["valid"]:
        sys.exit(1)


@journal.command("stats")
@connected()
def show_stats(session: Session) -> None:
    """The journal in numbers."""
    stats = session.api.get("/journal/stats")
    if session.as_json:
        show_json(stats)
        return
    show_fields(
        [
            ("entries", stats["entries"]),
            ("since", moment(stats["oldest"])),
            ("newest", moment(stats["newest"])),
            ("seals", stats["seals"]),
            ("sealed", moment(stats["sealed_at"])),
            ("without a seal yet", stats["unsealed"]),
            ("audit entries", stats["audit_entries"]),
        ]
    )
    say("")
    show_table(
        ["kind", "entries#", "newest"],
        ([k["kind"], k["entries"], moment(k["newest"])] for k in stats["kinds"]),
    )
    show_table(
        ["dataset", "entries#"], ([d["dataset"] or "(catalog)", d["entries"]] for d in stats["datasets"])
    )


@journal.command("flush")
@connected()
def flush_journal(session: Session) -> None:
    """Seal what is settled now, instead of within a minute."""
    done = session.api.post("/journal/flush", read_s=LONG_S)
    if session.as_json:
        show_json(done)
        return
    say(f"{done['entries']:,} entries sealed")
    if done["unsealed"]:
        note(f"{done['unsealed']:,} wait until the transactions before them are over")


@click.command()
@click.option("--profile", metavar="ID", help="Only what this profile read.")
@click.option("--door", help="Only through this door: search, query, rest, psql.")
@click.option("--outcome", help="Only those that came out so: ok, or an error's code.")
@click.option("-n", "--limit", type=LIMIT, default=20, show_default=True, help="The newest so many.")
@connected()
def audit(session: Session, profile: str | None, door: str | None, outcome: str | None, limit: int) -> None:
    """Who read what: reads and calls, newest first."""
    page = session.api.get("/access/audit", profile=profile, door=door, outcome=outcome, limit=limit)
    if session.as_json:
        show_json(page)
        return
    rows = (
        [
            moment(e["at"]),
            e["principal"] or "(unknown)",
            e["profile"],
            e["model"],
            f"{e['door']} {e['operation']}",
            e["relations"],
            e["rows"],
            None if e["duration_ms"] is None else duration(e["duration_ms"]),
            e["outcome"],
        ]
        for e in page["items"]
    )
    show_table(
        ["when", "who", "profile", "model", "what", "of", "rows#", "took", "outcome"],
        rows,
        none="nothing yet",
    )
