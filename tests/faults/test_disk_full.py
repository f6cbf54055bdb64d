"""A disk that fills up during a load: a clear error, nothing half-loaded, and it works again when there is room."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Home

SIZE_MB = 300


@pytest.fixture
def small_home() -> Iterator[Home]:
    path = Path(tempfile.mkdtemp(prefix="lwd"))
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0711", "tmpfs", str(path)],
            capture_output=True,
        ).returncode
    )
    if not mounted:
        path.rmdir()
        pytest.skip("a file system of its own cannot be mounted here")
    home = Home(path)
    yield home
    home.stop()
    subprocess.run(["umount", "-l", str(path)], check=False)
    shutil.rmtree(path, ignore_errors=True)


def test_a_full_disk_is_said_to_be_full_and_nothing_is_kept(small_home: Home) -> None:
    client = small_home.up()
    free = shutil.disk_usage(small_home.path).free
    # short upload, long rows: the numbers grow from 2 bytes in the file to 8 in the table, plus 28 a row
    rows = int(free * 0.9 / 45)
    content = b"a,b,c\n" + b"1,2,3\n" * rows
    answer = client.post("/ingest/file", files={"file": ("rows.csv", content)}, data={"dataset": "rows"})
    assert answer.status_code == 507, answer.text
    assert answer.json()["code"] == "disk_full"
    assert client.get("/catalog/datasets/by-name/rows").status_code == 404
    leftovers = "select relname from pg_class where relname ~ '^_load_'"
    assert small_home.query(leftovers) == []
    again = client.post("/ingest/file", files={"file": ("r.csv", b"a\n1\n")}, data={"dataset": "rows"})
    assert again.status_code == 201, again.text
