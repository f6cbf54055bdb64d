"""The cursor over a JSON document."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidFileError
from app.ingest.json_scanner import JsonScanner, scan_array, scan_keys


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[Any]:
    def start(text: str) -> JsonScanner:
        (tmp_path / "f").write_text(text)
        return JsonScanner(tmp_path / "f")

    yield start


def test_values_are_cut_as_they_stand(scan: Any) -> None:
    with closing(scan(' [1, "a\\"]", {"x": ["}"]} , null ]')) as scanner:
        values = [raw for _, _, raw in scan_array(scanner)]
    assert values == [b"1", b'"a\\"]"', b'{"x": ["}"]}', b"null"]


def test_keys_come_one_by_one(scan: Any) -> None:
    with closing(scan('{"a": 1, "b": [2]}')) as scanner:
        assert [(key, scanner.take_value()) for key in scan_keys(scanner)] == [
            (b'"a"', b"1"),
            (b'"b"', b"[2]"),
        ]


@pytest.mark.parametrize("text", ["[1 2]", "[1,]", "[,1]", "[1", "[[1]", '["a]', "["])
def test_what_is_between_the_values_is_checked(scan: Any, text: str) -> None:
    with closing(scan(text)) as scanner, pytest.raises(InvalidFileError, match=r"line 1, byte \d"):
        list(scan_array(scanner))
        if scanner.peek():
            raise scanner.error("left over")


def test_depth_is_limited(scan: Any) -> None:
    with closing(scan("[" + "[" * 200 + "]" * 200 + "]")) as scanner:
        assert len(list(scan_array(scanner))) == 1
    with (
        closing(scan("[" + "[" * 201 + "]" * 201 + "]")) as scanner,
        pytest.raises(InvalidFileError, match="200"),
    ):
        list(scan_array(scanner))
