"""The marker of a copy is written in one step, and what cannot be read is none."""

from pathlib import Path

import pytest

from app.errors import InternalError
from app.lance.folder import MARKER, Folder, Marker

ONE = Marker(token="one", dimensions=3, synced_to=7, rows=5)


def test_a_marker_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.find_marker("notes_v1") is None and folder.list_copies() == []
    folder.path("notes_v1").mkdir(parents=True)
    folder.write_marker("notes_v1", ONE)
    assert folder.find_marker("notes_v1") == ONE and folder.list_copies() == ["notes_v1"]
    assert [path.name for path in folder.path("notes_v1").iterdir()] == [MARKER]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": "one"}', b"\xff\xfe"])
def test_what_is_no_marker_is_none(tmp_path: Path, content: bytes) -> None:
    folder = Folder(tmp_path)
    folder.path("notes_v1").mkdir(parents=True)
    (folder.path("notes_v1") / MARKER).write_bytes(content)
    assert folder.find_marker("notes_v1") is None


def test_a_copy_that_is_not_trusted_has_no_marker_and_one_that_is_removed_no_files(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.distrust("notes_v1")
    folder.path("notes_v1").mkdir(parents=True)
    folder.write_marker("notes_v1", ONE)
    folder.distrust("notes_v1")
    assert folder.find_marker("notes_v1") is None and folder.path("notes_v1").is_dir()
    assert folder.remove("notes_v1") and not folder.remove("notes_v1")
    assert not folder.path("notes_v1").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../pg", "a/b", "a\0b"])
def test_a_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InternalError):
        Folder(tmp_path).path(name)
