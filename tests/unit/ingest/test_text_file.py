"""Text made trustworthy: encodings, NUL bytes, endless lines."""

import resource
from pathlib import Path

import pytest

from app.errors import InvalidFileError
from app.ingest.text_file import MARK_PATTERN, open_text

TEXT = "name,city\r\nJosé,Málaga\r\nMüller,Köln\r\nFrançois,Orléans\r\nÅse,Tromsø\r\nŁukasz,Łódź\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_encodings_come_out_as_the_same_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(TEXT.encode(encoding))
    file = open_text(path, tmp_path)
    assert file.path.read_text("utf-8-sig") == TEXT.replace("\r\n", "\n")
    assert (file.lines, file.has_marks) == (6, False)


def test_latin_1_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("name,city\nJosé,Málaga\nMüller,Köln\n".encode("latin-1"))
    assert "José,Málaga" in open_text(path, tmp_path).path.read_text()


def test_damaged_utf8_and_nul_bytes_are_marked_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("Müller,1\nKöln,2\n".encode() + b"a\x00b,3\nc\xff,4\n")
    file = open_text(path, tmp_path)
    assert file.has_marks
    assert MARK_PATTERN.findall(file.path.read_text()) == [("N", "3"), ("U", "4")]


def test_a_transfer_that_ended_inside_a_character_is_still_utf8(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes("Müller,1\nKöln,é".encode()[:-1])
    assert open_text(path, tmp_path).path.read_text().startswith("Müller,1\nKöln,\ufdd0U2")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf", b"\xff\xfe", b"\0" * 50, b" \r\n\n", b"\xff\xfe\0\0"])
def test_a_file_of_nothing_is_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match="empty"):
        open_text(path, tmp_path)


def test_an_endless_line_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        for _ in range(64):
            file.write(b"x" * 1024**2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidFileError, match="line 2 is longer than 16 MB"):
        open_text(path, tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.write(b"a,b\n1,2\n")
        file.truncate(64 * 1024**2)
    with pytest.raises(InvalidFileError):
        open_text(path, tmp_path)


def test_mixed_line_ends_become_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\r\nb\nc\rd")
    assert open_text(path, tmp_path).path.read_bytes() == b"a\nb\nc\nd"
