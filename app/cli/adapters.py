"""adapter: train, list and delete."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import say, show_json, show_table
from app.cli.session import YES, Session, confirm, connected
from app.cli.watch import wait_for_job
from app.errors import InvalidInputError

Document = dict[str, Any]
#: Embedding 2,000 pairs takes a slow model a while.
READ_S = 1800.0


@click.group()
def adapter() -> None:
    """Train, list and delete adapters: a model that has learnt which texts answer your questions."""


@adapter.command("train")
@click.argument("name")
@click.option(
    "--eval", "eval_name", metavar="EVAL", help="Learn from this eval set's questions with relevant rows."
)
@click.option("--index", "index_name", metavar="INDEX", help="Learn over this index's model, from --pairs.")
@click.option(
    "--pairs",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with the columns query and text, or JSON lines with these fields.",
)
@click.option("--no-wait", is_flag=True, help="With --eval: answer with the job that learns it.")
@connected()
def train_adapter(
    session: Session,
    name: str,
    eval_name: str | None,
    index_name: str | None,
    file: Path | None,
    no_wait: bool,
) -> None:
    """Learn adapter NAME. An index gets it by a swap, and only if it is no loss there."""
    if (eval_name is None) == (file is None) or (file is None) != (index_name is None):
        raise click.UsageError("Say --eval EVAL, or --index INDEX with --pairs FILE.")
    if file is not None:
        body = {"name": name, "index": index_name, "pairs": _read(file)}
        _show_learnt(session, session.api.post("/vectors/adapters", body, read_s=READ_S))
        return
    accepted = session.api.post("/vectors/adapters", {"name": name, "eval": eval_name})
    if not no_wait:
        _show_learnt(session, wait_for_job(session, accepted["job_id"])["result"])
    elif session.as_json:
        show_json(accepted)
    else:
        say(f"adapter {name}: job {accepted['job_id']} learns it; watch it:")
        say("  " + session.command("job", "show", accepted["job_id"], "--wait"))


def _read(file: Path) -> list[Document]:
    """The pairs of a file.

    Raises:
        InvalidInputError: it is not UTF-8, or a line is no pair.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return list(_rows(lines) if file.suffix.lower() == ".csv" else _documents(lines))
    except UnicodeDecodeError as exc:
        raise InvalidInputError(f"{file} is not UTF-8") from exc


def _rows(lines: IO[str]) -> Iterator[Document]:
    reader = csv.DictReader(lines)
    if not {"query", "text"} <= set(reader.fieldnames or ()):
        raise InvalidInputError("the CSV needs the columns query and text in its first line")
    try:
        for row in reader:
            yield {"query": row["query"] or "", "text": row["text"] or ""}
    except csv.Error as exc:
        raise InvalidInputError(f"line {reader.line_num}: {exc}") from exc


def _documents(lines: IO[str]) -> Iterator[Document]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            yield {"query": document["query"], "text": document["text"]}
        except (ValueError, KeyError, TypeError) as exc:
            raise InvalidInputError(f'line {number} is not like {{"query": "…", "text": "…"}}') from exc


def _show_learnt(session: Session, made: Document) -> None:
    if session.as_json:
        show_json(made)
        return
    held = made["held_out"]
    say(f"adapter {made['name']} over {made['model_name']}, learnt from {made['trained_on']} pairs")
    say(
        f"  of {held['pairs']} pairs that it has not seen, the right text comes at 1/{_place(held['before'])} before, "
        f"1/{_place(held['after'])} now (mean reciprocal rank {held['before']:.4f}, {held['after']:.4f})"
    )
    if held["after"] <= held["before"]:
        say("  it is no gain: more pairs, or other ones, may help")
    say("give it to an index: " + session.command("index", "swap", "INDEX", "--adapter", made["name"]))


def _place(rank: float) -> str:
    return f"{1 / rank:.1f}" if rank else "∞"


@adapter.command("list")
@connected()
def list_adapters(session: Session) -> None:
    """The adapters, by name, with what they gain on pairs that were held out."""
    page = session.api.list_all("/vectors/adapters")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [
            found["name"],
            found["model_name"],
            found["trained_on"],
            f"{found['held_out']['before']:.3f} → {found['held_out']['after']:.3f}",
            ", ".join(found["used_by"]) or None,
        ]
        for found in page["items"]
    )
    head = ["adapter", "over", "pairs#", "rank, held out", "used by"]
    show_table(head, rows, none="no adapters yet: adapter train")


@adapter.command("delete")
@click.argument("name")
@YES
@connected()
def delete_adapter(session: Session, name: str, yes: bool) -> None:
    """Delete an adapter that no index has."""
    confirm(f"Delete adapter {name}?", yes)
    gone = session.api.delete(f"/vectors/adapters/{segment(name)}")
    if session.as_json:
        show_json(gone)
        return
    say(f"adapter {name} is deleted")
