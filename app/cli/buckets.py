"""bucket: list, health, errors, and the objects in it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import rich_click as click

from app.cli.catalog import Counted
from app.cli.client import segment
from app.cli.output import duration, moment, note, say, show_json, show_table
from app.cli.part_file import part_file
from app.cli.session import YES, Session, confirm, connected
from app.cli.watch import transfer_progress
from app.errors import InvalidFileError, UnavailableError

Document = dict[str, Any]
BUCKET = click.argument("name", metavar="BUCKET")
KEY = click.argument("key")
RESCUE_HEADER = "X-Lakehouse-Rescue-Used"


def object_path(bucket: str, key: str) -> str:
    """The path of an object in the API.

    Raises:
        InvalidNameError: a segment of the key cannot be one.
    """
    segments = "/".join(segment(part) for part in key.split("/"))
    return f"/storage/buckets/{segment(bucket)}/objects/{segments}"


@click.group()
def bucket() -> None:
    """Buckets and their objects: list, health, errors, ls, put, get, rm."""


@bucket.command("list")
@connected()
def list_buckets(session: Session) -> None:
    """The buckets of the settings, and the mounted ones of profiles."""
    page = session.api.list_all("/storage/buckets")
    if session.as_json:
        show_json(page)
        return
    rows = ([item["name"], item["url"], _roles(item), item["reachable"]] for item in page["items"])
    show_table(["bucket", "url", "is", "answers"], rows)


def _roles(item: Document) -> str:
    found = [word for word in ("default", "rescue") if item[word]]
    return ", ".join(found + ([f"of profile {item['profile']}"] if item["profile"] else []))


@bucket.command("health")
@click.option("--fresh", is_flag=True, help="Ask every bucket now.")
@connected()
def show_health(session: Session, fresh: bool) -> None:
    """Which buckets answer, since when, and why not. Fails when one does not."""
    found = session.api.get("/storage/bucket-health", fresh="true" if fresh else None)
    if session.as_json:
        show_json(found)
    else:
        rows = (
            [i["name"], i["reachable"], moment(i["since"]), duration(i["latency_ms"]), i["reason"]]
            for i in found["items"]
        )
        show_table(["bucket", "answers", "since", "took", "why not"], rows)
    if found["status"] != "ok":
        note(f"{found['unreachable']} of {len(found['items'])} buckets do not answer")
        sys.exit(1)


@bucket.command("errors")
@click.option("--bucket", "name", metavar="BUCKET", help="Only of this bucket.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="The newest so many."
)
@connected()
def show_errors(session: Session, name: str | None, limit: int) -> None:
    """Operations on buckets that failed, newest first."""
    page = session.api.get("/storage/errors", bucket=name, limit=limit)
    if session.as_json:
        show_json(page)
        return
    rows = ([moment(i["at"]), i["bucket"], i["operation"], i["key"], i["message"]] for i in page["items"])
    show_table(["at", "bucket", "operation", "key", "why"], rows, none="no errors")


@bucket.command("ls")
@BUCKET
@click.argument("prefix", default="")
@connected()
def list_objects(session: Session, name: str, prefix: str) -> None:
    """The objects of a bucket whose keys begin with PREFIX."""
    page = session.api.list_all(f"/storage/buckets/{segment(name)}/objects", prefix=prefix, limit=500)
    if session.as_json:
        show_json(page)
        return
    rows = ([item["key"], item["size"], moment(item["last_modified"])] for item in page["items"])
    show_table(["key", "bytes#", "written"], rows, none="no objects there")


@bucket.command("put")
@BUCKET
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.argument("key", required=False)
@connected()
def put_object(session: Session, name: str, file: Path, key: str | None) -> None:
    """Write FILE (- is standard input) as an object: whole, or not at all. KEY is the file's name when left out."""
    if key is None and str(file) == "-":
        raise click.UsageError("Standard input has no name; say the KEY.")
    key = key or file.name
    try:
        if str(file) == "-":
            answer = session.api.put_stream(object_path(name, key), _pieces(sys.stdin.buffer))
        else:
            with (
                transfer_progress("sending", key, file.stat().st_size) as sent,
                Counted(file, sent) as source,
            ):
                answer = session.api.put_stream(
                    object_path(name, key), _pieces(source), size=file.stat().st_size
                )
    except OSError as exc:
        raise InvalidFileError(f"{file}: {exc.strerror or exc}") from exc
    if session.as_json:
        show_json(answer)
        return
    say(
        f"{'wrote' if answer['created'] else 'replaced'} {answer['key']} in {name}, {answer['size']:,} bytes",
        "bold",
    )


def _pieces(source: IO[bytes] | Counted) -> Iterator[bytes]:
    while piece := source.read(1024 * 1024):
        yield piece


@bucket.command("get")
@BUCKET
@KEY
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), required=False)
@connected()
def get_object(session: Session, name: str, key: str, file: Path | None) -> None:
    """Fetch an object into FILE (- is standard output; the key's last part when left out): whole, or not at all."""
    target = file or Path(key.rpartition("/")[2])
    with session.api.fetch(object_path(name, key)) as response:
        if response.headers.get(RESCUE_HEADER):
            note(f"bucket {name} does not answer; this is the rescue bucket's copy")
        if str(target) == "-":
            for piece in response.iter_raw():
                sys.stdout.buffer.write(piece)
            return
        size = int(response.headers["Content-Length"])
        with transfer_progress("fetching", key, size) as got, part_file(target) as out:
            fetched = 0
            for piece in response.iter_raw():
                fetched += out.write(piece)
                got(len(piece))
            if fetched != size:
                raise UnavailableError(f"{key} broke off after {fetched:,} of {size:,} bytes; try again")
    document = {"bucket": name, "key": key, "file": str(target), "size": size}
    if session.as_json:
        show_json(document)
    else:
        say(f"{target}: {size:,} bytes", "bold")


@bucket.command("rm")
@BUCKET
@KEY
@YES
@connected()
def remove_object(session: Session, name: str, key: str, yes: bool) -> None:
    """Delete an object."""
    confirm(f"Delete {key} from bucket {name}?", yes)
    deleted = session.api.delete(object_path(name, key))
    if session.as_json:
        show_json(deleted)
    else:
        say(f"deleted {deleted['key']} from {name}")
