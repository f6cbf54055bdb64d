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


def test_nanoseconds_that_microseconds_do_not_hold_are_text(tmp_path: Path) -> None:
    fine, coarse = pa.array([1, 1_001], pa.timestamp("ns")), pa.array([1_000, None], pa.timestamp("ns"))
    nested = pa.StructArray.from_arrays([fine, coarse], ["f", "c"])
    at_noon = pa.array([1, None], pa.time64("ns"))
    columns = {
        "a.b": coarse,
        "fine": fine,
        "coarse": coarse,
        "n": nested,
        "t": at_noon,
        "l": pa.array([[1], None]),
    }
    columns["l"] = columns["l"].cast(pa.list_(pa.timestamp("ns")))
    types, rows, _ = read(write(tmp_path / "f", **columns))
    assert types == {
        "a.b": "timestamp", "fine": "text", "coarse": "timestamp", "n_f": "text", "n_c": "timestamp", "t": "text",
        "l": "jsonb",
    }  # fmt: skip
    assert (rows[1]["fine"], rows[0]["t"]) == ("1970-01-01 00:00:00.000001001", "00:00:00.000000001")
    assert (rows[0]["coarse"], rows[0]["l"]) == (
        datetime(1970, 1, 1, 0, 0, 0, 1),
        '["1970-01-01 00:00:00.000000001"]',
    )


@pytest.mark.parametrize(
    "bad",
    [
        pa.array([0, 2**63 - 1], pa.timestamp("us", "UTC")),
        pa.array([0, -(2**63)], pa.timestamp("us")),
        pa.array([0, 2**60], pa.timestamp("ms")),
        pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()),
    ],
)
def test_dates_outside_the_calendar_are_rejects(tmp_path: Path, bad: pa.Array) -> None:
    _, rows, opened = read(write(tmp_path / "f", at=bad, k=["good", "bad"]))
    assert ([row["k"] for row in rows], opened.rejected) == (["good"], 1)
    assert "years 1 to 9999" in opened.rejects[0].reason
    with pytest.raises(InvalidFileError, match="no row"):
        read(write(tmp_path / "f", at=bad[1:]))


def test_numbers_inside_lists_keep_what_json_cannot_say(tmp_path: Path) -> None:
    path = write(tmp_path / "f", f=[[float("nan"), 1.5]], d=[[Decimal("1.10")]])
    assert read(path)[1] == [{"f": '["nan",1.5]', "d": "[1.10]"}]


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
