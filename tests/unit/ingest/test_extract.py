"""Opening a file: what it is, and what it must not be."""

import gzip
import zlib
from pathlib import Path

import pytest

from app.errors import InvalidFileError
from app.ingest.extract import open_extract
from app.ingest.models import Format


def read(path: Path, content: bytes, filename: str, format: Format | None = None) -> tuple[str, list[dict]]:
    path.write_bytes(content)
    with open_extract(path, filename=filename, format=format) as extract:
        return extract.format, [row for batch in extract.batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("content", "filename", "expected"),
    [
        (b"a,b\n1,2\n", "x.csv", "csv"),
        (b'[{"a": 1}]', "x.json", "json"),
        (b'{"a": 1}\n{"a": 2}\n', "x.jsonl", "ndjson"),
        (b'{"a": 1}\n{"a": 2}\n', "x.json", "ndjson"),
        (b'[{"a": 1}]', "upload", "json"),
        (b'[\n{"a": 1},\n{"a": 2}\n]\n', "x.ndjson", "json"),
        (b"a,b\n1,2\n", "upload", "csv"),
        (gzip.compress(b'{"a": 1}\n', mtime=0), "x.ndjson.gz", "ndjson"),
        (gzip.compress(b"a\n", mtime=0) + gzip.compress(b"1\n2\n", mtime=0), "x.csv.gz", "csv"),
    ],
)
def test_the_format_is_found_by_name_and_content(
    tmp_path: Path, content: bytes, filename: str, expected: str
) -> None:
    found, rows = read(tmp_path / "f", content, filename)
    assert found == expected
    assert rows[0]["a"] == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (gzip.compress(b"", mtime=0), "contains nothing"),
        (gzip.compress(b"a,b\n1,2\n" * 9_000, mtime=0)[:-20], "too early|damaged"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9] + b"\0" * 9, "damaged|too early"),
        (b"PK\x03\x04" + b"x" * 50, "Excel"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x00\x01\x02\x03" * 5_000, "binary"),
        (bytes(range(256)) * 100, "binary"),
    ],
)
@pytest.mark.parametrize("format", ["csv", "ndjson", "json"])
def test_what_is_not_text_is_refused_with_a_reason(
    tmp_path: Path, content: bytes, reason: str, format: Format
) -> None:
    with pytest.raises(InvalidFileError, match=reason):
        read(tmp_path / "f", content, "x", format)


def test_a_decompression_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    pack = zlib.compressobj(9, wbits=31)
    bomb = b"".join(pack.compress(b"0" * 1_000_000) for _ in range(300)) + pack.flush()
    with pytest.raises(InvalidFileError, match="bomb"):
        read(tmp_path / "f", bomb, "x.csv.gz")


def test_records_path_is_for_json_only(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\n1\n")
    with (
        pytest.raises(InvalidFileError, match="records_path"),
        open_extract(path, filename="f.csv", records_path="x"),
    ):
        pass
