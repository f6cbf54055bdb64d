"""The byte scan finds what is there, wherever it lies, and nothing else."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from app.tombstones.scan import (
    WINDOW_BYTES,
    Pattern,
    Scanner,
    TextScan,
    list_files,
    plan_anchor,
    scan_file,
    scan_files,
)


def count(text: bytes, values: list[bytes]) -> Counter[int]:
    """What a scan must find, the slow way."""
    found: Counter[int] = Counter()
    for number, value in enumerate(values):
        at = text.find(value)
        while at >= 0:
            found[number] += 1
            at = text.find(value, at + 1)
    return found


def scanner(*values: bytes) -> Scanner:
    return Scanner([Pattern("text", value) for value in values])


@pytest.mark.parametrize("window", [1, 7, 64, 1000])
@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_a_plain_search_finds(seed: int, window: int) -> None:
    """Few letters, so that patterns overlap, repeat, contain each other and share their anchors."""
    choose = random.Random(seed)
    text = bytes(choose.choices(b"ab\x00", k=3000))
    values = []
    for _ in range(30):
        length, at = choose.choice([6, 7, 8, 11, 40, 90]), choose.randrange(2900)
        values.append(text[at : at + length])
    values = list(dict.fromkeys([*values, b"not there", b"\xff" * 9]))
    scan = TextScan(scanner(*values), window=window)
    at = 0
    while at < len(text):
        size = choose.choice([1, 3, 500])
        scan.add(text[at : at + size])
        at += size
    scan.flush()
    assert scan.found == count(text, values)


@pytest.mark.parametrize("before", range(12))
def test_a_pattern_across_the_border_of_two_windows_is_found_once(tmp_path: Path, before: int) -> None:
    value = b"subject@example"
    path = tmp_path / "12345"
    start = WINDOW_BYTES - before
    path.write_bytes(bytes(start) + value + bytes(WINDOW_BYTES))
    found = scan_file(scanner(value, b"another one"), path)
    assert (found.found, found.size) == (Counter({0: 1}), start + len(value) + WINDOW_BYTES)


def test_the_first_and_the_last_bytes_of_a_file_are_searched(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abcdefXabcdef")
    assert scan_file(scanner(b"abcdef"), path).found == Counter({0: 2})
    path.write_bytes(b"abcde")
    assert scan_file(scanner(b"abcdef"), path).found == Counter()


def test_a_window_remembers_nothing_of_an_earlier_one() -> None:
    scan = TextScan(scanner(b"secret value"), window=32)
    scan.add(b"a secret value and more text, in which it is not")
    scan.flush()
    scan.flush()
    assert scan.found == Counter({0: 1})


def test_thousands_of_patterns_at_once(tmp_path: Path) -> None:
    values = [os.urandom(16) for _ in range(5000)]
    path = tmp_path / "f"
    path.write_bytes(b"-".join(values[::2]))
    assert scan_file(scanner(*values), path).found == Counter(dict.fromkeys(range(0, 5000, 2), 1))


def test_a_short_pattern_is_refused_and_no_pattern_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        scanner(b"short")
    path = tmp_path / "f"
    path.write_bytes(b"anything at all")
    assert scan_file(Scanner([]), path).found == Counter()


def test_an_anchor_is_made_of_the_rarest_bytes() -> None:
    assert plan_anchor(b"\x00\x00\x00\x00\x00\x00QWZ7%&\x00\x00\x00") == 6
    assert plan_anchor(b"abcdef") == 0


def test_files_that_go_or_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"holds the value here")
    (tmp_path / "link").symlink_to(tmp_path / "one")
    paths = [tmp_path / "one", tmp_path / "gone", tmp_path / "link", tmp_path / "two"]
    scan = scan_files(scanner(b"the value"), paths)
    assert (scan.files, scan.size, scan.unreadable) == (2, 40, [str(tmp_path / "link")])
    assert [Path(hit.path).name for hit in scan.hits] == ["one", "two"]


def test_listing_follows_no_link_and_skips_whole_folders(tmp_path: Path) -> None:
    for name in ("a/b/file", "a/other", "skipped/file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "etc").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    found = list_files(tmp_path, skip=lambda path: path.name == "skipped")
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/b/file", "a/other"]


def test_a_pattern_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(Pattern("text", b"secret"))
