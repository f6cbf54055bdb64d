"""Parquet files that somebody else wrote: which there are, and what their footers say. Blocking; run it in a thread."""

import fnmatch
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import NotFoundError as NoObjectError

from app.errors import InvalidFileError, InvalidInputError, NotFoundError

#: Most footers are smaller; of a larger one the rest is fetched.
TAIL_BYTES = 64 * 1024
#: What the marks at both ends and the footer's length take.
MIN_BYTES = 12
MAX_FILES = 100_000
THREADS = 8
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class FoundFile(msgspec.Struct, frozen=True):
    """A file in a bucket; `size` in bytes."""

    key: str
    size: int


class Footers(msgspec.Struct, frozen=True):
    """What the files have together: columns of all of them, rows, bytes; partition columns with their Arrow types."""

    schema: pa.Schema
    files: int
    rows: int
    bytes: int
    partitions: dict[str, str]


def find_parquet(store: Any, path: str) -> list[FoundFile]:
    """The files that `path` means: one file, all .parquet files in a folder and below, or those a pattern names.

    Raises:
        NotFoundError: there are none.
        InvalidInputError: it is a Delta table, or more than 100,000 files, or a pattern in a folder's name.
        OSError, obstore's BaseError: the bucket does not answer.
    """
    folder, _, last = path.rpartition("/")
    if any(mark in folder for mark in "*?["):
        raise InvalidInputError(
            "a pattern may be in the last part of the path only; attach the folder instead"
        )
    pattern = last if any(mark in last for mark in "*?[") else None
    try:
        if pattern is None and path.endswith(".parquet"):
            found = [FoundFile(path, obstore.head(store, path)["size"])]
        else:
            prefix = folder if pattern else path.rstrip("/")
            found = [FoundFile(str(item["path"]), item["size"]) for item in _list(store, prefix)]
    except (NoObjectError, FileNotFoundError):
        found = []
    if any("/_delta_log/" in f"/{file.key}" for file in found):
        raise InvalidInputError(f"{path!r} is a Delta table; what is attached are plain Parquet files")
    depth = path.count("/")
    files = [
        file
        for file in found
        if file.key.endswith(".parquet")
        and not file.key.rpartition("/")[2].startswith(("_", "."))
        and (
            pattern is None
            or (file.key.count("/") == depth and fnmatch.fnmatchcase(file.key.rpartition("/")[2], pattern))
        )
    ]
    if not files:
        raise NotFoundError(f"there is no .parquet file at {path[:200]!r}")
    hidden = next((file.key for file in found if file.key.endswith(".parquet") and "/_" in file.key), None)
    if hidden is not None and pattern is None and any("=" in file.key.removeprefix(path) for file in files):
        # the engine lists a folder with partitions itself, and leaves nothing out
        raise InvalidInputError(f"{hidden!r} looks like a file that is being written; move it away first")
    return sorted(files, key=lambda file: file.key)


def _list(store: Any, prefix: str) -> list[Any]:
    found: list[Any] = []
    for batch in obstore.list(store, prefix or None, chunk_size=1000):
        found += batch
        if len(found) > MAX_FILES:
            raise InvalidInputError(f"there are more than {MAX_FILES:,} files; attach a part of them")
    return found


def read_footers(store: Any, path: str, files: Sequence[FoundFile]) -> Footers:
    """What the files say of themselves; no row is read.

    Raises:
        InvalidFileError: one is no Parquet file, is cut off or encrypted, or has a column in another type than the
            others; the message names it.
        OSError, obstore's BaseError: the bucket does not answer.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        metadata = list(pool.map(lambda file: _read_footer(store, file), files))
    fields: dict[str, tuple[pa.Field, str]] = {}
    for file, footer in zip(files, metadata, strict=True):
        for field in _schema(file, footer):
            known = fields.setdefault(field.name, (field, file.key))
            if known[0].type != field.type:
                raise InvalidFileError(
                    f"column {field.name!r} is {field.type} in {file.key!r} and {known[0].type} in {known[1]!r}; "
                    "attached files must agree"
                )
    return Footers(
        schema=pa.schema([pa.field(field.name, field.type) for field, _ in fields.values()]),
        files=len(files),
        rows=sum(footer.num_rows for footer in metadata),
        bytes=sum(file.size for file in files),
        partitions=_partitions(path, files),
    )


def _read_footer(store: Any, file: FoundFile) -> pq.FileMetaData:
    if file.size < MIN_BYTES:
        raise InvalidFileError(f"{file.key!r} is no Parquet file: it has {file.size} bytes")
    tail = _tail(store, file, TAIL_BYTES)
    wanted = int.from_bytes(tail[-8:-4], "little") + 8
    if tail[-4:] == b"PAR1" and len(tail) < wanted <= file.size:
        tail = _tail(store, file, wanted)
    if tail[-4:] == b"PARE":
        raise InvalidFileError(f"{file.key!r} is encrypted, and there is no key for it")
    if tail[-4:] != b"PAR1":
        raise InvalidFileError(f"{file.key!r} is no Parquet file, or its end is missing")
    try:
        return pq.read_metadata(pa.BufferReader(tail))
    except (pa.ArrowException, OSError) as exc:
        raise InvalidFileError(f"the footer of {file.key!r} is damaged") from exc


def _tail(store: Any, file: FoundFile, length: int) -> bytes:
    return bytes(obstore.get_range(store, file.key, start=max(file.size - length, 0), end=file.size))


def _schema(file: FoundFile, footer: pq.FileMetaData) -> pa.Schema:
    try:
        return footer.schema.to_arrow_schema()
    except (pa.ArrowException, NotImplementedError) as exc:
        raise InvalidFileError(f"the columns of {file.key!r} have no counterpart in Arrow") from exc


def _partitions(path: str, files: Sequence[FoundFile]) -> dict[str, str]:
    """The columns of folders like year=2024, with `int64` where all their values are numbers."""
    base = path.rstrip("/") + "/"
    named = [dict(_PARTITION.findall(file.key.removeprefix(base).rpartition("/")[0])) for file in files]
    if any(list(values) != list(named[0]) for values in named):
        raise InvalidFileError(
            "the files are in folders of different partition columns; attach them one by one"
        )
    return {
        name: "int64" if all(_INTEGER.fullmatch(values[name]) for values in named) else "string"
        for name in named[0]
    }
