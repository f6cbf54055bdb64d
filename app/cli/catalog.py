"""ingest, dataset."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rich_click as click

from app.cli.client import LONG_S, segment
from app.cli.moves import COMMANDS as MOVES
from app.cli.output import moment, note, say, show_fields, show_json, show_table
from app.cli.session import YES, Session, confirm, connected
from app.cli.watch import upload_progress, wait_for_job
from app.errors import InvalidFileError

Document = dict[str, Any]


class Counted(io.FileIO):
    """A file that says how much of it was read."""

    def __init__(self, path: Path, sent: Callable[[int], None]) -> None:
        super().__init__(path, "rb")
        self._sent = sent

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(-1 if size is None else size) or b""
        self._sent(len(chunk))
        return chunk


def upload_file(
    session: Session,
    path: Path,
    fields: Mapping[str, str | None],
    *,
    bucket: str | None = None,
    in_background: bool = False,
) -> Document:
    """Send one file to POST /ingest/file with these form fields.

    A job that the server makes of it is waited for, unless `in_background`; then the answer is the job's result, with
    its id.

    Raises:
        InvalidFileError: it cannot be read.
    """
    query = {"async": "true"} if in_background else {}
    try:
        with upload_progress(path.name, path.stat().st_size) as sent, Counted(path, sent) as file:
            answer: Document = session.api.upload(
                "/ingest/file", file, path.name, fields, bucket=bucket, **query
            )
    except OSError as exc:
        raise InvalidFileError(f"{path}: {exc.strerror or exc}") from exc
    if "rows" in answer or in_background:
        return answer
    note(f"{path.name} is large: job {answer['job_id']} loads it")
    job = wait_for_job(session, answer["job_id"])
    return {**(job["result"] or {}), "job_id": answer["job_id"]}


@click.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--dataset", required=True, metavar="NAME", help="The dataset; it is made when it is not there."
)
@click.option("--row-key", metavar="COLUMN", help="The column that identifies a row.")
@click.option(
    "--home", "home", type=click.Choice(["table", "bucket"]), help="Where the dataset's rows live. [table]"
)
@click.option("--bucket", metavar="NAME", help="The bucket of a dataset whose home is one.")
@click.option(
    "--disposition",
    type=click.Choice(["append", "replace", "merge"]),
    help="What becomes of the rows that are there. [append]",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "json", "ndjson", "parquet"]),
    help="What the files are. [found out]",
)
@click.option("--records-path", metavar="PATH", help="Where a JSON document has its rows, as in data.items.")
@click.option("--async", "in_background", is_flag=True, help="Answer with the job that loads it.")
@connected("--lakeward-home")
def ingest(
    session: Session,
    files: tuple[Path, ...],
    dataset: str,
    row_key: str | None,
    home: str | None,
    bucket: str | None,
    disposition: str | None,
    file_format: str | None,
    records_path: str | None,
    in_background: bool,
) -> None:
    """Load CSV, JSON, NDJSON or Parquet files into a dataset: each of them whole or not at all.

    A file that was loaded before is not loaded again. `--home` is the dataset's here; another installation than
    ~/.lakeward is named with --lakeward-home or LAKEWARD_HOME.
    """
    fields = {
        "dataset": dataset,
        "row_key": row_key,
        "home": home,
        "disposition": disposition,
        "format": file_format,
        "records_path": records_path,
    }
    for path in files:
        answer = upload_file(session, path, fields, bucket=bucket, in_background=in_background)
        if session.as_json:
            show_json(answer)
        else:
            _show_ingested(session, path, answer)


def _show_ingested(session: Session, path: Path, answer: Document) -> None:
    if "rows" not in answer:
        say(f"{path.name}: job {answer['job_id']}; watch it: ")
        say("  " + session.command("job", "show", answer["job_id"], "--wait"))
        return
    if answer["duplicate"]:
        say(f"{path.name}: in {answer['dataset']} already, nothing loaded ({answer['rows']:,} rows)")
        return
    rejected = f", {answer['rejected']:,} rejected" if answer["rejected"] else ""
    say(f"{path.name}: {answer['rows']:,} rows{rejected} in {answer['dataset']}", "bold")
    _show_columns(answer["columns"])


def _show_columns(columns: list[Document]) -> None:
    rows = ([c["name"], c["type"], c["pii"], c["sensitivity"], c.get("action")] for c in columns)
    show_table(["column", "type", "personal data", "sensitivity", "redacted"], rows, none="no columns yet")


@click.group()
def dataset() -> None:
    """List, show, classify, attach, copy and delete datasets."""


for command in MOVES:
    dataset.add_command(command)


@dataset.command("list")
@connected()
def list_datasets(session: Session) -> None:
    """The datasets that the key may see."""
    page = session.api.list_all("/catalog/datasets")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [
            d["name"],
            d["home"],
            d["row_count"],
            len(d["columns"]),
            d["row_key"],
            d["freshness"]["embedding"],
            moment(d["freshness"]["loaded_at"]),
        ]
        for d in page["items"]
    )
    hint = session.command("ingest", "FILE", "--dataset", "NAME", home_option="--lakeward-home")
    show_table(
        ["dataset", "home", "rows#", "columns#", "row key", "embedded", "loaded"],
        rows,
        none=f"no datasets yet; load one: {hint}",
    )


@dataset.command("show")
@click.argument("name")
@connected()
def show_dataset(session: Session, name: str) -> None:
    """One dataset's manifest."""
    found = session.api.get(f"/catalog/datasets/by-name/{segment(name)}")
    if session.as_json:
        show_json(found)
        return
    show_fields(
        [
            ("name", found["name"]),
            ("description", found["description"]),
            ("home", found["home"]),
            ("rows", found["row_count"]),
            ("row key", found["row_key"]),
            ("owner", found["owner"]),
            ("sensitivity", found["sensitivity"]),
            ("tags", found["tags"]),
            ("version", found["version"]),
            ("loaded", moment(found["freshness"]["loaded_at"])),
            (
                "embedded",
                f"{found['freshness']['embedding']} {moment(found['last_embedded_at']) or ''}".strip(),
            ),
        ]
    )
    say("")
    _show_columns(found["columns"])
    _say_unclassified(session, found)
    loads = [
        [
            moment(x.get("at")),
            x.get("filename") or x.get("dataset") or x.get("path"),
            x.get("rows"),
            x.get("rejected"),
        ]
        for x in found["lineage"]
    ]
    show_table(["loaded", "from", "rows#", "rejected#"], loads, none="nothing loaded yet")


def _read_levels(
    _: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Document]:
    """COLUMN=LEVEL; a column's own name may hold an equals sign."""
    levels: dict[str, Document] = {}
    for value in values:
        column, equals, level = value.rpartition("=")
        if not equals or not column or not level:
            raise click.BadParameter(
                f"{value!r}: write COLUMN=LEVEL, for example salary=restricted", param=parameter
            )
        if column in levels:
            raise click.BadParameter(f"column {column!r} is there twice", param=parameter)
        levels[column] = {"sensitivity": level}
    return levels


@dataset.command("classify")
@click.argument("name", metavar="DATASET")
@click.argument("levels", metavar="COLUMN=LEVEL...", nargs=-1, required=True, callback=_read_levels)
@connected()
def classify_dataset(session: Session, name: str, levels: dict[str, Document]) -> None:
    """Say how sensitive columns are: public, internal, confidential, restricted, or unclassified (nobody sees it).

    What readers see follows at once. `lakeward profile diff` says beforehand what that is.
    """
    path = f"/catalog/datasets/by-name/{segment(name)}/metadata"
    changed = session.api.patch(path, {"columns": levels}, read_s=LONG_S)
    if session.as_json:
        show_json(changed)
        return
    _show_columns([column for column in changed["columns"] if column["name"] in levels])
    _say_unclassified(session, changed)


def _say_unclassified(session: Session, found: Document) -> None:
    closed = [column["name"] for column in found["columns"] if column["sensitivity"] == "unclassified"]
    if closed:
        say(
            f"not classified, so nobody but an admin sees {'it' if len(closed) == 1 else 'them'}: {', '.join(closed)}",
            "yellow",
        )
        hint = session.command("dataset", "classify", found["name"], f"{closed[0]}=internal")
        say(f"say how sensitive: {hint}", "dim")


@dataset.command("delete")
@click.argument("name")
@YES
@connected()
def delete_dataset(session: Session, name: str, yes: bool) -> None:
    """Delete a dataset, its rows and every reader's view of it."""
    path = f"/catalog/datasets/by-name/{segment(name)}"
    if not yes:
        found = session.api.get(path)
        confirm(f"Delete dataset {name} with its {found['row_count']:,} rows?", yes)
    deleted = session.api.delete(path)
    if session.as_json:
        show_json(deleted)
        return
    say(f"deleted {deleted['name']} with {deleted['row_count']:,} rows")
    if deleted["unbound_profiles"]:
        say(f"it was taken from the profiles {', '.join(deleted['unbound_profiles'])}")
