"""`lakeward tombstone` and `undo`: keys from the line and from a file."""

import io

import pytest

from app.cli.tombstones import all_keys
from app.errors import InvalidInputError


def test_keys_come_from_the_line_and_from_a_file():
    assert all_keys(("a",), io.StringIO("b\nc d\r\n\n")) == ["a", "b", "c d"]


def test_no_key_at_all_is_said():
    with pytest.raises(InvalidInputError, match="--keys-from"):
        all_keys((), None)
