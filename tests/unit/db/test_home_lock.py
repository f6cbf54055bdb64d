"""One running Lakeward per home, whatever became of the one before."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.db.home_lock import HomeLock, find_owner
from app.errors import ConflictError, SettingsError

HOLD = """
import sys, time
from pathlib import Path
from app.db.home_lock import HomeLock
HomeLock(Path(sys.argv[1])).acquire("http://127.0.0.1:1")
print("held", flush=True)
time.sleep(60)
"""


def test_the_second_is_told_who_the_first_is(tmp_path: Path) -> None:
    first = HomeLock(tmp_path)
    first.acquire("http://127.0.0.1:8642")
    with pytest.raises(ConflictError, match=rf"process {os.getpid()}, at http://127.0.0.1:8642"):
        HomeLock(tmp_path).acquire("http://127.0.0.1:1")
    owner = find_owner(tmp_path)
    assert owner is not None and owner.url == "http://127.0.0.1:8642"
    first.release()
    assert find_owner(tmp_path) is None
    HomeLock(tmp_path).acquire("http://127.0.0.1:2")


def test_a_lock_left_by_kill_9_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    assert find_owner(tmp_path) is not None
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert find_owner(tmp_path) is None
    HomeLock(tmp_path).acquire("http://127.0.0.1:3")


def test_no_home_has_no_owner(tmp_path: Path) -> None:
    assert find_owner(tmp_path / "nowhere") is None


def test_whoever_looks_does_not_stand_in_the_way(tmp_path: Path) -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            find_owner(tmp_path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(50):
            lock = HomeLock(tmp_path)
            lock.acquire("http://127.0.0.1:2")
            lock.release()
    finally:
        stop.set()
        for looker in lookers:
            looker.join()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"pid": "x"}'])
def test_a_lock_file_that_says_nothing_is_still_a_lock(tmp_path: Path, content: bytes) -> None:
    holder = HomeLock(tmp_path / "h")
    holder.acquire("http://127.0.0.1:1")
    (tmp_path / "h" / "lakeward.lock").write_bytes(content)
    with pytest.raises(ConflictError, match="another process"):
        HomeLock(tmp_path / "h").acquire("http://127.0.0.1:2")
    assert find_owner(tmp_path / "h") is None


def test_a_home_that_cannot_be_one_is_a_setting_s_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="choose another --home"):
        HomeLock(tmp_path / "file").acquire("http://127.0.0.1:1")
