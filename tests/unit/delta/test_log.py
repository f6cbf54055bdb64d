"""The Delta log under writers that die: what was not pinned never was."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from app.delta import log
from app.delta.models import Place
from app.errors import ConflictError


def rows(*ids: int, **more: list[object]) -> pa.RecordBatchReader:
    return pa.table({"id": pa.array(ids, pa.int64()), "name": [f"n{i}" for i in ids], **more}).to_reader()


def ids(place: Place, version: int) -> list[int]:
    return sorted(DeltaTable(place.uri, version=version).to_pyarrow_table().column("id").to_pylist())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "table"))


def test_what_a_dead_writer_left_is_taken_back(place: Place) -> None:
    first = log.create_or_append(place, None, rows(1, 2), "append")
    orphan = log.create_or_append(place, first.version, rows(3), "append")
    again = log.create_or_append(place, first.version, rows(4), "append")
    assert ids(place, first.version) == [1, 2] and ids(place, orphan.version) == [1, 2, 3]
    assert ids(place, again.version) == [1, 2, 4] and again.rows == 3


def test_merge_delete_compact_vacuum(place: Place) -> None:
    written = log.create_or_append(place, None, rows(1, 2, 3), "append")
    for number in (4, 5, 6):
        written = log.create_or_append(place, written.version, rows(number), "append")
    merged = log.merge(
        place, written.version, pa.table({"id": [3, 7], "name": ["changed", "new"]}).to_reader(), "id"
    )
    assert (merged.rows, ids(place, merged.version)) == (7, [1, 2, 3, 4, 5, 6, 7])
    deleted = log.delete_keys(place, merged.version, pa.table({"id": [1, 99]}), "id")
    assert ids(place, deleted.version) == [2, 3, 4, 5, 6, 7]
    compacted = log.compact(place, deleted.version)
    assert compacted.files == 1 and ids(place, compacted.version) == [2, 3, 4, 5, 6, 7]
    assert log.vacuum(place, compacted.version) == 0, "queries still read them"
    assert log.vacuum(place, compacted.version, retention_h=0) > 4
    assert ids(place, compacted.version) == [2, 3, 4, 5, 6, 7]
    files, schema = log.list_files(place, compacted.version)
    assert len(files) == 1 and schema.names == ["id", "name"]
    assert log.describe(place, compacted.version) == compacted


def test_columns_may_come_and_types_may_not_change(place: Place) -> None:
    written = log.create_or_append(place, None, rows(1), "append")
    wider = log.create_or_append(place, written.version, rows(2, extra=[0.5]), "append")
    assert wider.rows == 2
    with pytest.raises(ConflictError):
        other = pa.table({"id": ["x"], "name": ["y"]}).to_reader()
        log.create_or_append(place, wider.version, other, "append")
    assert log.describe(place, wider.version).rows == 2


def test_no_table_is_said(place: Place) -> None:
    with pytest.raises(FileNotFoundError, match="no Delta table"):
        log.list_files(place, 0)
