"""Every file of the messy collections extracts, or is refused with a reason."""

import os
from pathlib import Path

import pytest

from app.errors import InvalidFileError
from app.ingest.extract import open_extract

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).parents[3] / "../shared/data")).resolve()
pytestmark = pytest.mark.skipif(not (DATA / "messy").is_dir(), reason="no test data")
FILES = sorted(p for p in (DATA / "messy").rglob("*") if p.is_file())
#: A row count that says the file was understood.
KNOWN = {
    "titanic.csv": (891, 0),
    "who.csv.gz": (7240, 0),
    "mock_duckdb_test_data.csv": (7, 2),
    "utf16.csv.gz": (20, 0),
    "shift_jis.csv": (20, 0),
    "mixed_line_endings.csv": (3, 0),
    "multi_column_string_mix_r_n.csv": (9, 0),
    "titlebasicsdebug.tsv": (3002, 0),
    "error_too_many.csv": (5, 1),
    "bgzf.gz": (7, 0),
    "citm_catalog.json": (243, 0),
}


def extract(path: Path) -> tuple[int, int]:
    with open_extract(path, filename=path.name) as opened:
        rows = 0
        for batch in opened.batches:
            assert batch.schema.equals(opened.schema)
            assert batch.num_rows <= 65_536
            batch.validate(full=True)
            rows += batch.num_rows
        return rows, opened.rejected


@pytest.mark.parametrize("path", [p for p in FILES if "test_parsing" not in p.parts], ids=lambda p: p.name)
def test_each_file_extracts_or_says_why_not(path: Path) -> None:
    try:
        found = extract(path)
    except InvalidFileError as exc:
        assert len(exc.message) > 10
        assert path.name not in KNOWN
    else:
        assert KNOWN.get(path.name, found) == found


def test_the_json_test_suite_is_judged_as_it_says() -> None:
    suite = [p for p in FILES if "test_parsing" in p.parts]
    assert len(suite) > 300
    for path in suite:
        try:
            with open_extract(path, filename=path.name, format="json") as opened:
                list(opened.batches)
        except InvalidFileError as exc:
            malformed = not any(w in exc.message for w in ("no record", "not an object", "empty objects"))
            rejected = path.name.startswith("n_")
            assert malformed == rejected or path.name.startswith("i_"), (path.name, exc.message)
        else:
            assert not path.name.startswith("n_"), path.name


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        (
            "threat-intel/cisa-kev/known_exploited_vulnerabilities.json",
            1404,
            {"dateAdded": "date", "cwes": "text[]"},
        ),
        ("texts100k/wordnet_glosses.ndjson.gz", 107_525, {"members": "text[]", "definition": "text"}),
        ("parquet/lineitem-top10000.gzip.parquet", 10_000, {"l_orderkey": "bigint"}),
        ("parquet/delta_byte_array.parquet", 1_000, {"c_customer_id": "text"}),
    ],
)
def test_real_files_arrive_in_full(name: str, rows: int, columns: dict[str, str]) -> None:
    with open_extract(DATA / name, filename=name) as opened:
        types = {c.name: c.type for c in opened.columns}
        assert sum(batch.num_rows for batch in opened.batches) == rows
        assert opened.rejected == 0
    assert columns.items() <= types.items()
