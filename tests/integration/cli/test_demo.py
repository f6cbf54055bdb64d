"""The demo as a person runs it: a server of its own, on a home of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app.db.embedded import find_running
from app.db.home_lock import find_owner

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home():
    # a socket's path may not be longer than 107 bytes, so this is not pytest's own temporary folder
    path = Path(tempfile.mkdtemp(prefix="lwdemo"))
    yield path
    if (server := find_running(path)) is not None:
        server.stop("immediate")
    shutil.rmtree(path, ignore_errors=True)


def run_demo(home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAKEWARD_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", "demo", "--home", str(home), "--json"],
        env={**kept, "PYTHONPATH": str(ROOT)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_does_what_it_says_and_again_changes_nothing(home):
    first = run_demo(home)
    assert first.returncode == 0, first.stderr
    again = run_demo(home)
    assert again.returncode == 0, again.stderr
    steps = json.loads(again.stdout)["steps"]
    assert len(steps) == len(json.loads(first.stdout)["steps"]) == 13
    assert all("there already" in step["figures"] for step in steps[:8])
    assert not any("there already" in step["figures"] for step in json.loads(first.stdout)["steps"])
    assert find_owner(home) is None
    assert find_running(home) is None
