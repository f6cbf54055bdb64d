"""Keys that mean the same everywhere, and those that do not."""

import pytest

from app.errors import InvalidInputError
from app.storage.keys import check_key, check_prefix

GOOD = [
    "a", "a/b.txt", "ü ñ/日本.txt", "e\u0301", "a%20b", "a%2Fb", "x#1y", "q?x=1", "st*ar", "a+b", "~t", "...", "a..b",
    "&<>\"'", "x" * 1024, "é" * 512, ".hidden/x", "emoji/😀", "a\u202eb",
]  # fmt: skip
BAD = [
    ("", "empty"),
    ("/etc/passwd", "slash"),
    ("//a", "slash"),
    ("..", "'..'"),
    ("a/../b", "'..'"),
    ("a/..", "'..'"),
    ("./a", "'.'"),
    ("a//b", "empty segment"),
    ("a/", "empty segment"),
    ("a\\b", "backslash"),
    ("a\0b", "control"),
    ("a\nb", "control"),
    ("a\x7fb", "control"),
    ("a\x85b", "control"),
    ("x" * 1025, "1,025 bytes"),
    ("é" * 513, "1,026 bytes"),
    ("x" * 2000, "2,000 bytes"),
    ("\ud800", "UTF-8"),
]


@pytest.mark.parametrize("key", GOOD)
def test_a_key_of_any_letters_is_taken_as_it_is(key):
    assert check_key(key) == key and check_prefix(key) == key


@pytest.mark.parametrize(("key", "why"), BAD)
def test_a_key_that_could_leave_its_place_is_refused_and_told_why(key, why):
    with pytest.raises(InvalidInputError, match="key") as caught:
        check_key(key)
    assert why in caught.value.message
    assert "\0" not in caught.value.message and len(caught.value.message) < 200


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "a/.", "a/..x"])
def test_a_prefix_may_end_anywhere(prefix):
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "/a", "a//", "../x", "a/./b", "a\\", "a\n", "x" * 1025])
def test_a_prefix_that_no_key_has_is_refused(prefix):
    with pytest.raises(InvalidInputError, match="prefix"):
        check_prefix(prefix)
