"""How a CSV file is written, found by looking at it."""

from pathlib import Path

import duckdb
import pytest

from app.errors import InvalidFileError
from app.ingest.csv_dialect import Dialect, find_dialect, quote_literal, read_header
from app.ingest.text_file import open_text


def find(tmp_path: Path, content: str) -> tuple[Dialect, list[str]]:
    path = tmp_path / "it's.csv"
    path.write_text(content)
    text = open_text(path, tmp_path)
    with duckdb.connect() as con:
        dialect = find_dialect(con, text)
    return dialect, read_header(text, dialect)


@pytest.mark.parametrize(
    ("content", "delimiter", "quote", "header"),
    [
        ("a;b\n1;2\n", ";", '"', ["a", "b"]),
        ("a|b\n1|'x|y'\n2|'z'\n", "|", "'", ["a", "b"]),
        ('"a","b, c"\n"1","2"\n', ",", '"', ["a", "b, c"]),
        ("a,a\n1,2\n", ",", '"', ["a", "a"]),
        ("1,2\n3,4\n", ",", '"', ["", ""]),
        ("a,b,c\n1,2,3\n4,5\n6,7,8,9\n1,2,3\n", ",", '"', ["a", "b", "c"]),
    ],
)
def test_the_dialect_is_found(
    tmp_path: Path, content: str, delimiter: str, quote: str, header: list[str]
) -> None:
    dialect, names = find(tmp_path, content)
    assert (dialect.delimiter, dialect.quote, names) == (delimiter, quote, header)


def test_a_quote_that_never_closes_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="no line"):
        find(tmp_path, '"hello\n\n world\n')


def test_literals_cannot_be_left() -> None:
    assert quote_literal("it's '); --") == "'it''s ''); --'"
