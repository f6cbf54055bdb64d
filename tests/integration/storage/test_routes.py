"""/storage: what it lists, and for whom."""

import pytest

from tests.integration.api.conftest import problem


@pytest.fixture(scope="module")
def reader(storage_world):
    storage_world.api.ingest("people", "id,name\n1,Ada\n", row_key="id")
    storage_world.api.profile("alpha", "people")
    with storage_world.api.reader("alpha") as client:
        yield client


def test_the_buckets(world):
    found = {item["name"]: item for item in world.admin.get("/storage/buckets").json()["items"]}
    assert list(found) == ["primary", "rescue", "folder", "gone", "denied", "local"]
    assert found["primary"]["default"] and found["rescue"]["rescue"] and not found["local"]["rescue"]
    assert found["folder"]["url"] == f"file://{world.folder}" and found["folder"]["reachable"] is True
    assert found["rescue"]["url"].endswith("/copy")


def test_the_health(world):
    health = world.admin.get("/storage/bucket-health").json()
    state = {item["name"]: item for item in health["items"]}
    assert health["status"] == "degraded" and health["rescue_bucket"] == "rescue"
    assert health["unreachable"] == 2 and health["reachable"] == 4
    assert state["gone"]["kind"] == "no_bucket" and "NoSuchBucket" in state["gone"]["reason"]
    assert state["denied"]["kind"] == "denied" and "env:LW_TEST_UNSET" in state["denied"]["reason"]
    assert state["primary"]["reason"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/storage/buckets"),
        ("GET", "/storage/bucket-health"),
        ("GET", "/storage/errors"),
        ("GET", "/storage/buckets/folder/objects"),
        ("GET", "/storage/buckets/nope/objects"),
        ("GET", "/storage/buckets/folder/objects/x"),
        ("HEAD", "/storage/buckets/folder/objects/x"),
        ("PUT", "/storage/buckets/folder/objects/x"),
        ("PUT", "/storage/buckets/nope/objects/x"),
        ("DELETE", "/storage/buckets/folder/objects/x"),
    ],
)
def test_all_of_it_is_the_admins(world, reader, method, path):
    world.admin.put("/storage/buckets/folder/objects/x", content=b"x")
    assert reader.request(method, path).status_code == 403
    acting = world.admin.request(method, path, headers={"X-Lakehouse-Profile": "alpha"})
    assert acting.status_code == 403
    assert world.api.client(None).request(method, path).status_code == 401
    assert world.admin.get("/storage/buckets/folder/objects/x").content == b"x"


def test_errors_are_paged_newest_first(world):
    for number in range(5):
        world.admin.put(world.path("denied", f"k{number}"), content=b"x")
    first = world.admin.get("/storage/errors", params={"limit": 2, "bucket": "denied"}).json()
    assert [item["key"] for item in first["items"]] == ["k4", "k3"]
    second = world.admin.get(
        "/storage/errors", params={"limit": 2, "bucket": "denied", "cursor": first["next_cursor"]}
    ).json()
    assert [item["key"] for item in second["items"]] == ["k2", "k1"]
    problem(world.admin.get("/storage/errors", params={"cursor": "zzz"}), 400, "invalid_input")
    problem(world.admin.get("/storage/errors", params={"buckets": "x"}), 400, "invalid_input")
