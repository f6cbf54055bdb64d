"""The working file: private, whole or not at all, and written over before it goes."""

from pathlib import Path

from app.tombstones.scan import Pattern
from app.tombstones.working_file import Working, find_working, remove_working, save_working, working_folder

WORKING = Working(keys=["p1"], patterns=[Pattern("text", b"secret value"), Pattern("fp16", b"\x00\xff" * 9)])


def test_it_holds_what_was_put_into_it_for_its_owner_alone(tmp_path: Path) -> None:
    assert find_working(tmp_path, "e1") is None
    save_working(tmp_path, "e1", Working(keys=["other"], patterns=[]))
    save_working(tmp_path, "e1", WORKING)
    assert find_working(tmp_path, "e1") == WORKING
    [path] = working_folder(tmp_path).iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "secret" not in repr(WORKING) and "p1" not in repr(WORKING)


def test_half_a_file_is_none(tmp_path: Path) -> None:
    save_working(tmp_path, "e1", WORKING)
    [path] = working_folder(tmp_path).iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert find_working(tmp_path, "e1") is None


def test_its_bytes_are_written_over_before_it_is_removed(tmp_path: Path) -> None:
    save_working(tmp_path, "e1", WORKING)
    [path] = working_folder(tmp_path).iterdir()
    # another name for the same bytes on the disk
    kept = tmp_path / "kept"
    kept.hardlink_to(path)
    remove_working(tmp_path, "e1")
    assert not path.exists() and set(kept.read_bytes()) == {0}
    remove_working(tmp_path, "e1")
    remove_working(tmp_path / "nothing here", "e1")
    assert find_working(tmp_path, "e1") is None
