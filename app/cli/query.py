"""query."""

import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import rich_click as click

from app.cli.output import duration, excerpt, get_console, note, printable, say, show_fields, show_table
from app.cli.session import Session, connected
from app.errors import InvalidInputError

ACCEPT = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
BINARY = {"arrow", "parquet"}
#: More rows than this are for a file.
SHOWN_ROWS = 200
#: A column narrower than this is not readable; then each row is shown below the other.
NARROWEST = 8


@click.command()
@click.argument("sql", metavar='"SQL"')
@click.option("--as", "profile", metavar="PROFILE", help="As the reader of this profile.")
@click.option("--format", "answer_format", type=click.Choice(list(ACCEPT)), help="Instead of a table.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file to write the answer to.")
@click.option("--max-rows", type=int, help="At most so many rows.")
@click.option("--timeout-ms", type=int, help="At most so long.")
@connected()
def query(
    session: Session,
    sql: str,
    profile: str | None,
    answer_format: str | None,
    out: Path | None,
    max_rows: int | None,
    timeout_ms: int | None,
) -> None:
    """Run one analytic SELECT over the relations that the reader may see; "-" reads it from stdin."""
    body = {
        "sql": sys.stdin.read() if sql == "-" else sql,
        "max_rows": max_rows,
        "timeout_ms": timeout_ms,
    }
    chosen = _plan_format(answer_format, out, session.as_json)
    api = session.as_reader(profile) if profile else session.api
    if chosen is None:
        _show(api.post("/query/sql", body))
        return
    with api.download("/query/sql", body, ACCEPT[chosen]) as response:
        _write(response.iter_bytes(), out, newline=chosen == "json")
        if response.headers.get("X-Lakehouse-Truncated") == "true":
            note("there are more rows than were answered; raise --max-rows, or the server's query.max_rows")


def _plan_format(answer_format: str | None, out: Path | None, as_json: bool) -> str | None:
    """The format, or None for a table."""
    if as_json:
        if answer_format not in (None, "json"):
            raise click.UsageError(f"--json and --format {answer_format} are two answers; choose one")
        return "json"
    if answer_format is None and out is not None:
        named = out.suffix.removeprefix(".").lower()
        if named not in ACCEPT:
            raise click.UsageError(f"what shall {out.name} be? say so with --format ({', '.join(ACCEPT)})")
        return named
    if answer_format in BINARY and out is None and sys.stdout.isatty():
        raise click.UsageError(f"{answer_format} is not for a terminal; add --out FILE")
    return answer_format


def _write(pieces: Iterable[bytes], out: Path | None, *, newline: bool) -> None:
    if out is None:
        _copy(pieces, sys.stdout.buffer, newline)
        sys.stdout.flush()
        return
    # beside it and renamed at the end, so that a query that fails leaves what was there
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        with part.open("wb") as file:
            _copy(pieces, file, newline)
        size = part.stat().st_size
        part.replace(out)
    except OSError as exc:
        raise InvalidInputError(f"cannot write {out}: {os.strerror(exc.errno or 0)}") from exc
    finally:
        part.unlink(missing_ok=True)
    note(f"{out}: {size:,} bytes")


def _copy(pieces: Iterable[bytes], file: BinaryIO, newline: bool) -> None:
    for piece in pieces:
        file.write(piece)
    if newline:
        file.write(b"\n")


def _show(answer: dict[str, Any]) -> None:
    names = [printable(column["name"]) for column in answer["columns"]]
    shown = answer["rows"][:SHOWN_ROWS]
    if len(names) * (NARROWEST + 2) <= get_console().width:
        headers = [
            name + _mark(column["type"]) for name, column in zip(names, answer["columns"], strict=True)
        ]
        show_table(headers, ([_value(value) for value in row] for row in shown), none="no rows")
    else:
        for number, row in enumerate(shown, 1):
            say(f"row {number}", "bold")
            show_fields([(name, _value(value)) for name, value in zip(names, row, strict=True)])
    count = answer["row_count"]
    left_out = f", {count - len(shown):,} not shown: use --format or --out" if count > len(shown) else ""
    more = ", and there are more" if answer["truncated"] else ""
    say(f"{count:,} row{'s' * (count != 1)}{more}{left_out}; {duration(answer['duration_ms'])}", "dim")


def _mark(arrow_type: str) -> str:
    return "#" if arrow_type.startswith(("int", "uint", "float", "double", "decimal")) else ""


def _value(value: Any) -> Any:
    return excerpt(value, 500) if isinstance(value, str) else value
