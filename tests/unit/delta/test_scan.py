"""A list of files is one table, and what makes it so still fits the engine's format."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from datafusion import SessionContext

from app.delta.scan import add_paths, scan_files, scan_folder
from app.errors import UnavailableError

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("extra", pa.float64())])


@pytest.fixture
def uris(tmp_path: Path) -> list[str]:
    """300 files of ten rows; the first has no column `extra`; one more that nobody names."""
    for number in range(301):
        table = pa.table(
            {"id": range(number * 10, number * 10 + 10), "name": [f"ä {number}"] * 10, "extra": [0.5] * 10}
        )
        if number == 0:
            table = table.drop_columns(["extra"])
        pyarrow.parquet.write_table(table, tmp_path / f"{number:03} ü.parquet")
    return [str(path) for path in sorted(tmp_path.iterdir())][:300]


def count(uris: list[str], where: str = "true") -> list[tuple[int, ...]]:
    context = SessionContext()
    context.register_view("x", scan_files(context, uris, SCHEMA))
    found = context.sql(
        f"select count(*) as n, count(extra) as e, coalesce(sum(id), 0) as s from x where {where}"
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def test_these_files_and_no_others(uris: list[str]) -> None:
    assert count(uris) == [(3000, 2990, sum(range(3000)))]
    assert count(uris, "id = 2995") == [(1, 1, 2995)]
    assert count(uris[:2]) == [(20, 10, sum(range(20)))]
    assert count(uris[5:6]) == [(10, 10, sum(range(50, 60)))]
    assert count([]) == [(0, 0, 0)]


def test_a_file_that_is_gone_is_an_error(uris: list[str]) -> None:
    Path(uris[7]).unlink()
    with pytest.raises(UnavailableError, match=r"1 of the 300 .* 007"):
        count(uris)


def test_what_is_no_scan_of_one_file_is_refused(uris: list[str]) -> None:
    context = SessionContext()
    plan = context.read_parquet(uris[0], schema=SCHEMA)
    with pytest.raises(ValueError, match="no scan"):
        add_paths(plan.limit(1).logical_plan().to_bytes(context), uris[1:])
    with pytest.raises(ValueError, match="no scan"):
        add_paths(b"", [])


def test_a_folder_with_partitions(tmp_path: Path) -> None:
    for year in (2024, 2025):
        folder = tmp_path / f"year={year}"
        folder.mkdir()
        pyarrow.parquet.write_table(pa.table({"id": [year]}), folder / "a.parquet")
    context = SessionContext()
    frame = scan_folder(context, f"{tmp_path}/", pa.schema([("id", pa.int64())]), [("year", pa.string())])
    context.register_view("x", frame)
    assert context.sql("select id, year from x where year = '2025'").to_pylist() == [
        {"id": 2025, "year": "2025"}
    ]
