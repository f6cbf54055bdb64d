"""query."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import rich_click as click

from app.cli.answer import show_answer, show_count
from app.cli.chart import MAX_POINTS, plan_chart
from app.cli.client import LONG_S, Api
from app.cli.drawing import draw_chart
from app.cli.output import get_console, note, say, show_json
from app.cli.part_file import part_file
from app.cli.received import MEDIA_TYPES, READERS, Told, raise_failure
from app.cli.session import Session, connected
from app.cli.watch import transfer_progress
from app.errors import UnavailableError

BINARY = {"arrow", "parquet"}
#: So many rows of a table are fetched, for their number; more are for a file.
TABLE_ROWS = MAX_POINTS


@click.command()
@click.argument("sql", metavar='"SQL"')
@click.option("--as", "profile", metavar="PROFILE", help="As the reader of this profile.")
@click.option("--format", "answer_format", type=click.Choice(list(MEDIA_TYPES)), help="Instead of a table.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write all rows to; its ending (.parquet, .csv, .arrow, .ndjson, .json) is the format.",
)
@click.option(
    "--chart", is_flag=True, help="A bar or a line instead of a table, as the columns' types have it."
)
@click.option("--max-rows", type=click.IntRange(min=1), help="At most so many rows.")
@click.option("--timeout-ms", type=click.IntRange(min=1), help="At most so long.")
@connected()
def query(
    session: Session,
    sql: str,
    profile: str | None,
    answer_format: str | None,
    out: Path | None,
    chart: bool,
    max_rows: int | None,
    timeout_ms: int | None,
) -> None:
    """Run one analytic SELECT over the relations that the reader may see; "-" reads it from stdin."""
    chosen = _plan_format(answer_format, out, chart=chart, as_json=session.as_json)
    body = {
        "sql": sys.stdin.read() if sql == "-" else sql,
        "max_rows": max_rows or (TABLE_ROWS if chosen is None else None),
        "timeout_ms": timeout_ms,
    }
    api = session.as_reader(profile) if profile else session.api
    if chosen is None:
        _show(api, body, chart=chart)
    elif out is None:
        _print(api, body, chosen)
    else:
        _save(session, api, body, chosen, out)


def _plan_format(answer_format: str | None, out: Path | None, *, chart: bool, as_json: bool) -> str | None:
    """The format, or None for a table or a chart."""
    if chart and (answer_format or out or as_json):
        raise click.UsageError("--chart draws for people; --format, --out and --json do not go with it")
    if out is not None:
        named = out.suffix.removeprefix(".").lower()
        if answer_format is None and named not in MEDIA_TYPES:
            endings = ", ".join(f".{ending}" for ending in MEDIA_TYPES)
            raise click.UsageError(f"'{out.name}' has none of the endings {endings}; or say --format.")
        return answer_format or named
    if as_json and answer_format not in (None, "json"):
        raise click.UsageError(f"--json and --format {answer_format} are two answers; choose one")
    if answer_format in BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{answer_format} is not for a terminal; add --out FILE")
    return "json" if as_json else answer_format


def _show(api: Api, body: Mapping[str, Any], *, chart: bool) -> None:
    answer = api.post("/query/sql", body, read_s=LONG_S)
    raise_failure(answer)
    if not chart:
        show_answer(answer)
        return
    planned = plan_chart(answer)
    console = get_console()
    say(f"{planned.values} by {planned.along}", "bold")
    for line in draw_chart(planned, console.width, plain=not console.encoding.startswith("utf")):
        say(line, "cyan")
    if planned.left_out:
        note(f"{planned.left_out:,} rows without a value are left out")
    show_count(answer)


def _print(api: Api, body: Mapping[str, Any], chosen: str) -> None:
    with api.download("/query/sql", body, MEDIA_TYPES[chosen]) as response:
        told = _receive(response, sys.stdout.buffer, chosen, None)
    sys.stdout.flush()
    _say_truncated(told)


def _save(session: Session, api: Api, body: Mapping[str, Any], chosen: str, out: Path) -> None:
    with (
        part_file(out) as file,
        api.download("/query/sql", body, MEDIA_TYPES[chosen]) as response,
    ):
        told = _receive(response, file, chosen, Path(file.name))
        size = file.tell() if file.seekable() else None
    document = {
        "file": str(out),
        "format": chosen,
        "rows": told.rows,
        "bytes": size,
        "truncated": told.truncated,
    }
    if session.as_json:
        show_json(document)
        return
    figures = [f"{told.rows:,} rows"] if told.rows is not None else []
    figures += [f"{size:,} bytes"] if size is not None else []
    say(f"{out}: {', '.join(figures) or 'written'}", "bold")
    _say_truncated(told)


def _receive(response: httpx.Response, file: BinaryIO, chosen: str, path: Path | None) -> Told:
    """Write the answer to the file, whose `path` is read again when it is one.

    Raises:
        LakewardError: the query failed on the way, or the answer broke off.
    """
    reader = READERS[chosen]()
    try:
        for piece in _counted(response):
            reader.take(piece)
            file.write(piece)
    except httpx.RemoteProtocolError as exc:
        raise UnavailableError(
            "the answer broke off: the query failed after its first rows, or the server went away; "
            "--format json says which"
        ) from exc
    if chosen == "json":
        file.write(b"\n")
    file.flush()
    return reader.tell(path if path and path.is_file() else None, response.headers)


def _counted(response: httpx.Response) -> Iterator[bytes]:
    with transfer_progress("receiving", "the answer", None) as got:
        for piece in response.iter_bytes():
            got(len(piece))
            yield piece


def _say_truncated(told: Told) -> None:
    if told.truncated is not False:
        certain = "there are" if told.truncated else "there may be"
        note(f"{certain} more rows than were answered; raise --max-rows, or the server's query.max_rows")
