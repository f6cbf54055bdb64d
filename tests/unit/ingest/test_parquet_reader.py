"""Parquet: exactly the types Postgres takes, from whatever pyarrow can read."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import InvalidFileError
from app.ingest.extract import Extract, open_extract


def read(path: Path) -> tuple[dict[str, str], list[dict[str, Any]], Extract]:
    with open_extract(path, filename="f.parquet") as opened:
        rows = []
        for batch in opened.batches:
            assert batch.schema.equals(opened.schema)
            batch.validate(full=True)
            rows += batch.to_pylist()
        return {c.name: c.type for c in opened.columns}, rows, opened


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_types_become_ours_without_loss(tmp_path: Path) -> None:
    moment = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    path = write(
        tmp_path / "f",
        small=pa.array([1, None], pa.int8()),
        huge=pa.array([2**64 - 1, None], pa.uint64()),
        price=pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        f=pa.array([1.5, None], pa.float32()),
        day=pa.array([date(2024, 2, 29), None]),
        at=pa.array([moment, None], pa.timestamp("us", "Europe/Berlin")),
        ms=pa.array([moment.replace(tzinfo=None, microsecond=0), None], pa.timestamp("ms")),
        word=pa.array(["a", None]).dictionary_encode(),
        large=pa.array(["a", None], pa.large_string()),
        raw=pa.array([b"\x00\xff", None]),
        tags=pa.array([["a", "b"], None]),
        numbers=pa.array([[1, 2], None]),
        nested=pa.array([{"x": 1, "y": {"z": "q"}}, None]),
        took=pa.array([timedelta(seconds=1), None], pa.duration("s")),
    )
    types, rows, _ = read(path)
    assert types == {
        "small": "bigint", "huge": "numeric", "price": "numeric", "f": "double precision", "day": "date",
        "at": "timestamptz", "ms": "timestamp", "word": "text", "large": "text", "raw": "bytea", "tags": "text[]",
        "numbers": "jsonb", "nested_x": "bigint", "nested_y_z": "text", "took": "text",
    }  # fmt: skip
    first = rows[0]
    assert (first["huge"], first["price"], first["at"]) == (2**64 - 1, Decimal("1.50"), moment)
    assert (first["tags"], first["numbers"], first["nested_y_z"]) == (["a", "b"], "[1,2]", "q")
    assert set(rows[1].values()) == {None}


def test_a_null_struct_hides_its_fields(tmp_path: Path) -> None:
    inner = pa.array([1, 2])
    struct = pa.StructArray.from_arrays([inner], ["x"], mask=pa.array([False, True]))
    _, rows, _ = read(write(tmp_path / "f", s=struct))
    assert rows == [{"s_x": 1}, {"s_x": None}]


def test_nanoseconds_are_refused_rather_than_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "f", at=pa.array([1_000_000_001], pa.timestamp("ns")))
    with pytest.raises(InvalidFileError, match="would lose data"):
        read(path)


def test_rows_with_nul_are_rejects(tmp_path: Path) -> None:
    path = write(tmp_path / "f", s=["a", "b\0", "c"], l=[["x"], ["x"], ["y\0"]], j=[[1], [2], [3]])
    _, rows, opened = read(path)
    assert ([row["s"] for row in rows], opened.rejected) == (["a"], 2)
    assert opened.rejects[0].reason == "contains a NUL byte"


@pytest.mark.parametrize("cut", [slice(0, 100), slice(0, -10), slice(0, 4)])
def test_damaged_files_are_refused(tmp_path: Path, cut: slice) -> None:
    path = write(tmp_path / "f", a=list(range(1_000)))
    path.write_bytes(path.read_bytes()[cut])
    with pytest.raises(InvalidFileError, match="Parquet"):
        read(path)


def test_flipped_bytes_never_escape_as_another_error(tmp_path: Path) -> None:
    path = write(tmp_path / "f", a=list(range(500)), s=[f"text {i}" for i in range(500)])
    good = path.read_bytes()
    for at in range(4, len(good), max(1, len(good) // 60)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            read(path)
        except InvalidFileError:
            continue


def test_an_encrypted_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    path.write_bytes(b"PARE" + b"\0" * 100 + b"\x10\0\0\0PARE")
    with pytest.raises(InvalidFileError, match="encrypted"):
        read(path)
