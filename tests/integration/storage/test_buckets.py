"""`lakeward bucket`, against a real API and a real S3 server."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def lakeward(world, monkeypatch):
    """Run one command in a process of its own."""
    monkeypatch.setenv("LAKEWARD_URL", world.api.url)
    monkeypatch.setenv("LAKEWARD_API_KEY", world.admin.headers["X-API-Key"])

    def run(*words, stdin=None, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "app.cli.main", "bucket", *words],
            input=stdin,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == code, done.stderr.decode()
        return done

    return run


def test_an_object_goes_there_and_back(lakeward, tmp_path):
    content = bytes(range(256)) * 50_000
    (tmp_path / "file.bin").write_bytes(content)
    put = json.loads(lakeward("put", "primary", str(tmp_path / "file.bin"), "cli/ü 1.bin", "--json").stdout)
    assert put["size"] == len(content) and put["key"] == "cli/ü 1.bin"
    listed = json.loads(lakeward("ls", "primary", "cli/", "--json").stdout)
    assert [item["key"] for item in listed["items"]] == ["cli/ü 1.bin"]
    assert "cli/ü 1.bin" in lakeward("ls", "primary").stdout.decode()
    lakeward("get", "primary", "cli/ü 1.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == content
    assert lakeward("get", "primary", "cli/ü 1.bin", "-").stdout == content
    assert b"--yes" in lakeward("rm", "primary", "cli/ü 1.bin", code=2).stderr
    lakeward("rm", "primary", "cli/ü 1.bin", "--yes")
    assert b"no object" in lakeward("get", "primary", "cli/ü 1.bin", str(tmp_path / "gone"), code=1).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.bin", "file.bin"]


def test_standard_input(lakeward):
    lakeward("put", "folder", "-", "from stdin", stdin=b"hello")
    assert lakeward("get", "folder", "from stdin", "-").stdout == b"hello"
    assert b"KEY" in lakeward("put", "folder", "-", stdin=b"x", code=2).stderr


def test_what_people_see(lakeward, world):
    assert "default" in lakeward("list").stdout.decode()
    health = lakeward("health", "--fresh", code=1)
    assert "NoSuchBucket" in " ".join(health.stdout.decode().split()) and b"2 of 6" in health.stderr
    assert json.loads(lakeward("health", "--json", code=1).stdout)["status"] == "degraded"
    world.admin.put(world.path("denied", "k"), content=b"x")
    errors = json.loads(lakeward("errors", "--bucket", "denied", "--json", "-n", "1").stdout)
    assert errors["items"][0]["operation"] == "put"
    assert "denied" in lakeward("errors").stdout.decode()


def test_a_rescued_object_is_said_to_be_one(lakeward, world):
    world.admin.put(world.path("primary", "said"), content=b"first")
    world.admin.put(world.path("rescue", "said"), content=b"copy")
    world.proxy.set("refuse")
    done = lakeward("get", "primary", "said", "-")
    assert done.stdout == b"copy" and b"rescue" in done.stderr


@pytest.mark.parametrize("key", ["../x", "a//b", "a/./b"])
def test_a_key_that_cannot_be_one_is_refused_before_it_is_sent(lakeward, key):
    assert b"cannot be a name" in lakeward("put", "folder", "-", key, stdin=b"x", code=1).stderr
