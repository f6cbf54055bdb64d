"""trial eval: make, list and delete eval sets."""

import json
from typing import IO, Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected
from app.errors import InvalidInputError

Document = dict[str, Any]


@click.group()
def eval_group() -> None:
    """Make, list and delete eval sets: questions whose exact answers are known."""


@eval_group.command("create")
@click.argument("name")
@click.argument("index_name", metavar="INDEX")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@connected()
def create_eval(session: Session, name: str, index_name: str, file: IO[str]) -> None:
    """Keep the questions of FILE as NAME, a line each: a text, or JSON with text or vector, and relevant keys."""
    queries = [
        _query(line, f"{file.name}, line {number}") for number, line in enumerate(file, 1) if line.strip()
    ]
    made = session.api.post("/vectors/hnsw/evals", {"name": name, "index": index_name, "queries": queries})
    _show_eval(session, made)


def _query(line: str, where: str) -> Document:
    if not line.lstrip().startswith("{"):
        return {"text": line.strip()}
    try:
        return dict(json.loads(line))
    except ValueError as exc:
        raise InvalidInputError(f"{where}: {line.strip()[:60]!r} is neither a plain text nor JSON") from exc


@eval_group.command("autogen")
@click.argument("name")
@click.argument("index_name", metavar="INDEX")
@click.option("--queries", type=int, default=500, show_default=True, help="How many.")
@click.option(
    "--from",
    "source",
    type=click.Choice(["rows", "log"]),
    default="rows",
    show_default=True,
    help="Parts of rows' texts, or the questions that were asked last (kept by audit.keep_questions).",
)
@click.option("--replace", is_flag=True, help="Put them in the place of all that NAME has, if it is there.")
@connected()
def generate_eval(
    session: Session, name: str, index_name: str, queries: int, source: str, replace: bool
) -> None:
    """Make NAME of parts of INDEX's own rows, or of what was asked of it."""
    body = {"index": index_name, "queries": queries, "source": source, "replace": replace or None}
    _show_eval(session, session.api.post(f"/vectors/hnsw/evals/{segment(name)}/autogen", body))


@eval_group.command("list")
@click.option("--index", "index_name", metavar="INDEX", help="Only those of this index.")
@connected()
def list_evals(session: Session, index_name: str | None) -> None:
    """The eval sets, by name."""
    page = session.api.list_all("/vectors/hnsw/evals", index=index_name)
    if session.as_json:
        show_json(page)
        return
    rows = (
        [e["name"], e["index"], e["queries"], e["generated"], e["judged"], moment(e["created_at"])]
        for e in page["items"]
    )
    show_table(
        ["eval", "of", "queries#", "of rows#", "judged#", "created"],
        rows,
        none="no eval sets yet: trial eval autogen",
    )


@eval_group.command("delete")
@click.argument("name")
@YES
@connected()
def delete_eval(session: Session, name: str, yes: bool) -> None:
    """Delete an eval set; what was measured with it stays on record."""
    confirm(f"Delete eval set {name}?", yes)
    _show_eval(session, session.api.delete(f"/vectors/hnsw/evals/{segment(name)}"))


def _show_eval(session: Session, found: Document) -> None:
    if session.as_json:
        show_json(found)
        return
    show_fields(
        [
            ("eval", found["name"]),
            ("of", found["index"]),
            ("queries", found["queries"]),
            ("of rows", found["generated"]),
            ("judged", found["judged"]),
        ]
    )
