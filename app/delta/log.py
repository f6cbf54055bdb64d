"""The Delta log: what a writer does to a table, and the files of a version. Blocking; run it in a thread.

Postgres says which version counts (DESIGN 3): a writer goes on from that one. What a writer that died left behind it,
versions that Postgres never heard of, is taken back first.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from app.delta.damage import find_damage
from app.delta.models import Place, Written
from app.errors import ConflictError, LakewardError

Mode = Literal["append", "overwrite"]
#: Files of a new version are about this large, so that an engine can read several at once.
FILE_BYTES = 64 * 1024 * 1024
#: How long files of older versions are kept for queries that still read them.
RETENTION_H = 1


def create_or_append(place: Place, pinned: int | None, rows: pa.RecordBatchReader, mode: Mode) -> Written:
    """Write the rows as the version after `pinned` (None: a new table). New columns are added, missing ones are null.

    Raises:
        ConflictError: a column has another type than in the files.
        OSError: the bucket cannot take it (app.storage.faults reads why); the table is as it was.
    """
    with _translated(place):
        if pinned is not None:
            _open(place, pinned)
        write_deltalake(
            place.uri,
            rows,
            mode=mode,
            schema_mode="merge" if mode == "append" else "overwrite",
            storage_options=place.options or None,
            target_file_size=FILE_BYTES,
        )
        return _describe(DeltaTable(place.uri, storage_options=place.options or None))


def merge(place: Place, pinned: int, rows: pa.RecordBatchReader, row_key: str) -> Written:
    """Update the rows whose key is there, add the others.

    Raises:
        ConflictError, OSError: as `create_or_append`.
    """
    return _merge(
        place,
        pinned,
        rows,
        row_key,
        lambda merger: merger.when_matched_update_all().when_not_matched_insert_all(),
    )


def delete_keys(place: Place, pinned: int, keys: pa.Table, row_key: str) -> Written:
    """Take the rows with these keys out of the files; only files that have one are rewritten. `keys`: one column."""
    return _merge(place, pinned, keys, row_key, lambda merger: merger.when_matched_delete())


def _merge(place: Place, pinned: int, rows: Any, row_key: str, act: Callable[[Any], Any]) -> Written:
    quoted = '"' + row_key.replace('"', '""') + '"'
    with _translated(place):
        table = _open(place, pinned)
        merger = table.merge(
            rows, f"t.{quoted} = s.{quoted}", source_alias="s", target_alias="t", merge_schema=True
        )
        act(merger).execute()
        return _describe(table)


def compact(place: Place, pinned: int) -> Written:
    """Small files become large ones; the rows stay."""
    with _translated(place):
        table = _open(place, pinned)
        table.optimize.compact(target_size=FILE_BYTES)
        table.create_checkpoint()
        return _describe(table)


def vacuum(place: Place, pinned: int, *, retention_h: int = RETENTION_H) -> int:
    """Remove files that no version since `retention_h` hours needs; how many."""
    with _translated(place):
        table = _open(place, pinned)
        removed = table.vacuum(retention_hours=retention_h, enforce_retention_duration=False, dry_run=False)
        return len(removed)


def list_files(place: Place, version: int) -> tuple[dict[str, int], pa.Schema]:
    """The files of a version, as paths within the table's folder with their sizes in bytes, and its schema."""
    with _translated(place):
        table = DeltaTable(place.uri, version=version, storage_options=place.options or None)
        actions = pa.table(table.get_add_actions(flatten=True))
        paths, sizes = actions.column("path").to_pylist(), actions.column("size_bytes").to_pylist()
        return dict(zip(paths, sizes, strict=True)), pa.schema(table.schema().to_arrow())


def find_version(place: Place) -> int:
    """The newest version, whatever Postgres says."""
    with _translated(place):
        return int(DeltaTable(place.uri, storage_options=place.options or None).version())


def describe(place: Place, version: int) -> Written:
    """What a version holds, as the log has it."""
    with _translated(place):
        return _describe(DeltaTable(place.uri, version=version, storage_options=place.options or None))


def _open(place: Place, pinned: int) -> DeltaTable:
    """The table for a writer: at the version that counts, whatever came after it."""
    table = DeltaTable(place.uri, storage_options=place.options or None)
    if table.version() != pinned:
        table.restore(pinned)
    return table


def _describe(table: DeltaTable) -> Written:
    actions = pa.table(table.get_add_actions(flatten=True))
    sizes, rows = actions.column("size_bytes").to_pylist(), actions.column("num_records").to_pylist()
    return Written(version=table.version(), rows=sum(rows), files=len(sizes), bytes=sum(sizes))


@contextlib.contextmanager
def _translated(place: Place) -> Iterator[None]:
    try:
        yield
    except (LakewardError, OSError):
        raise
    except TableNotFoundError as exc:
        raise FileNotFoundError(f"there is no Delta table at {place.uri}") from exc
    except Exception as exc:  # deltalake raises its own errors, and plain Exception for casts
        text = str(exc) or type(exc).__name__
        if damage := find_damage(text, whose="the dataset"):
            raise damage from exc
        if "chema" in text or "Cast error" in text:
            raise ConflictError(
                f"the rows do not fit the columns that are there: {text.splitlines()[0][:300]}"
            ) from exc
        raise OSError(text) from exc
