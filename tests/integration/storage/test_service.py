"""What happens when a bucket does not answer: rescue for reads, 503 for writes, and back without a restart."""

import time

import httpx
import pytest

from tests.integration.api.conftest import problem

RESCUE = "X-Lakehouse-Rescue-Used"


@pytest.fixture
def both(world):
    """An object in the primary and, as a copy, in the rescue bucket; another one only in the primary."""
    for bucket, content in (("primary", b"first"), ("rescue", b"copy")):
        assert world.admin.put(world.path(bucket, "both.txt"), content=content).is_success
    assert world.admin.put(world.path("primary", "alone.txt"), content=b"alone").is_success
    return world


def errors(world, **query):
    return world.admin.get("/storage/errors", params=query).json()["items"]


@pytest.mark.parametrize("mode", ["refuse", pytest.param("slow", marks=pytest.mark.slow)])
def test_a_dead_primary_is_read_from_rescue_and_comes_back(both, mode):
    path = both.path("primary", "both.txt")
    both.proxy.set(mode)
    started = time.monotonic()
    answer = both.admin.get(path)
    assert answer.content == b"copy" and answer.headers[RESCUE] == "true"
    assert time.monotonic() - started < 20
    head = both.admin.head(path)
    assert head.headers[RESCUE] == "true" and head.headers["content-length"] == "4"
    listed = both.admin.get("/storage/buckets/primary/objects")
    assert listed.headers[RESCUE] == "true" and "both.txt" in [i["key"] for i in listed.json()["items"]]

    for refused in (both.admin.put(path, content=b"new"), both.admin.delete(path)):
        document = problem(refused, 503, "unavailable")
        assert "nothing was written" in document["detail"] and int(refused.headers["Retry-After"]) > 0
    assert (
        "primary" in problem(both.admin.get(both.path("primary", "alone.txt")), 503, "unavailable")["detail"]
    )

    health = both.admin.get("/storage/bucket-health").json()
    primary = next(item for item in health["items"] if item["name"] == "primary")
    assert health["status"] == "degraded" and primary["reachable"] is False and primary["reason"]
    written = errors(both, bucket="primary")
    assert {"get", "put", "delete"} <= {item["operation"] for item in written[:6]}
    assert written[0]["key"] == "both.txt" and written[0]["kind"] in ("unreachable", "timeout")

    # everything else works
    assert both.admin.put(both.path("folder", "x"), content=b"x").is_success
    assert both.admin.get("/whoami").status_code == 200

    both.proxy.set("ok")
    deadline = time.monotonic() + 25
    while (answer := both.admin.get(path)).headers.get(RESCUE):
        assert time.monotonic() < deadline, "the primary does not come back"
        time.sleep(0.5)
    assert answer.content == b"first"
    assert both.admin.put(path, content=b"first").status_code == 200


def test_a_missing_key_of_a_bucket_that_answers_is_missing(both):
    both.admin.put(both.path("rescue", "rescue-only.txt"), content=b"x")
    problem(both.admin.get(both.path("primary", "rescue-only.txt")), 404, "not_found")
    problem(both.admin.get(both.path("folder", "rescue-only.txt")), 404, "not_found")
    assert both.admin.head(both.path("primary", "rescue-only.txt")).status_code == 404


def test_a_folder_that_is_gone_is_an_outage_and_not_an_empty_bucket(both):
    both.admin.put(both.path("folder", "kept.txt"), content=b"kept")
    both.admin.put(both.path("rescue", "kept.txt"), content=b"kept copy")
    aside = both.folder.with_name("aside")
    both.folder.rename(aside)
    try:
        problem(both.admin.put(both.path("folder", "new.txt"), content=b"x"), 503, "unavailable")
        answer = both.admin.get(both.path("folder", "kept.txt"))
        assert answer.content == b"kept copy" and answer.headers[RESCUE] == "true"
        assert not both.folder.exists(), (
            "a write made the folder anew, in the place of what was mounted there"
        )
    finally:
        aside.rename(both.folder)
    both.heal()
    assert both.admin.get(both.path("folder", "kept.txt")).content == b"kept"


@pytest.mark.parametrize(("bucket", "kind"), [("gone", "no_bucket"), ("denied", "denied")])
def test_a_bucket_that_never_worked(both, bucket, kind):
    answer = both.admin.get(both.path(bucket, "both.txt"))
    assert answer.content == b"copy" and answer.headers[RESCUE] == "true"
    problem(both.admin.put(both.path(bucket, "both.txt"), content=b"x"), 503, "unavailable")
    assert errors(both, bucket=bucket)[0]["kind"] == kind


def test_a_secret_that_is_there_again_is_used_without_a_restart(both, monkeypatch):
    monkeypatch.setenv("LW_TEST_UNSET", "any:thing")
    both.admin.get("/storage/bucket-health", params={"fresh": "true"})
    answer = both.admin.get(both.path("denied", "both.txt"))
    assert answer.content == b"first" and RESCUE not in answer.headers
    monkeypatch.undo()
    assert both.admin.put(both.path("denied", "y"), content=b"y").is_success, (
        "the client keeps its credentials"
    )


def test_an_unknown_bucket(world):
    problem(world.admin.get(world.path("nope", "x")), 404, "not_found")
    answer = world.admin.put(world.path("nope", "x"), content=b"x")
    assert "primary" in problem(answer, 503, "unavailable")["detail"] and answer.headers["Retry-After"]
    problem(world.admin.delete(world.path("nope", "x")), 503, "unavailable")


@pytest.mark.parametrize("cut_after", [64 * 1024, 2 * 1024 * 1024 + 500])
def test_an_answer_that_is_cut_is_never_taken_for_whole(both, cut_after):
    content = bytes(range(256)) * 40_960
    path = both.path("primary", "large.bin")
    assert both.admin.put(path, content=content).is_success
    both.proxy.cut_after = cut_after
    both.proxy.set("cut")
    broken = False
    try:
        answer = both.admin.get(path)
    except httpx.RemoteProtocolError:
        broken = True
    # before the first byte it is an outage; after it, the connection to the caller breaks, too
    assert broken or answer.status_code == 503 or answer.content == content
    assert broken or cut_after > 1024 * 1024 or answer.status_code == 503
    both.heal()
    assert both.admin.get(path).content == content


def test_no_error_holds_a_secret(both):
    both.proxy.set("refuse")
    both.admin.get(both.path("primary", "alone.txt"))
    both.admin.put(both.path("denied", "x"), content=b"x")
    shown = [
        both.admin.get(f"/storage/{what}").text for what in ("errors?limit=500", "buckets", "bucket-health")
    ]
    for text in shown:
        assert "lakeward-secret-word" not in text and "lakeward-access" not in text
