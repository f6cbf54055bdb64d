"""Probes: what they notice, how long they take, and that nobody waits twice."""

import asyncio
import time

import pytest

from app.settings import BucketSettings, Settings
from app.storage import health as module
from app.storage.faults import Fault
from app.storage.health import Health
from app.storage.registry import open_buckets
from tests.integration.storage.conftest import Proxy


@pytest.fixture
def proxy(s3):
    made = Proxy(s3.port)
    yield made
    made.set("refuse")


@pytest.fixture
def buckets(s3, proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("LW_S", "a:b")
    name = s3.create(f"probed{time.monotonic_ns()}")
    far = BucketSettings(
        "far",
        f"s3://{name}",
        endpoint=f"http://127.0.0.1:{proxy.port}",
        secret_ref="env:LW_S",
        allow_http=True,
    )
    return open_buckets(Settings(home=tmp_path, buckets=(far,)))


async def test_what_answers_and_what_does_not(buckets, proxy):
    told: list[tuple[str, str]] = []

    async def on_outage(name: str, fault: Fault) -> None:
        told.append((name, fault.kind))

    health = Health(buckets, on_outage)
    assert [item.reachable for item in await health.summarize()] == [True, True] and told == []
    proxy.set("refuse")
    assert await health.check("far") is None, "ten seconds it is believed"
    fault = await health.check("far", fresh=True)
    assert fault is not None and fault.kind == "unreachable"
    await health.check("far", fresh=True)
    assert told == [("far", "unreachable")], "told once, not with every probe"
    since = health.find("far")
    proxy.set("ok")
    assert await health.check("far", fresh=True) is None
    found = health.find("far")
    assert found is not None and since is not None and found.reachable and found.since > since.since


async def test_a_probe_ends_in_time_and_is_shared(buckets, proxy, monkeypatch):
    monkeypatch.setattr(module, "PROBE_S", 0.5)
    health = Health(buckets)
    proxy.set("slow")
    started = time.monotonic()
    faults = await asyncio.gather(*(health.check("far") for _ in range(20)))
    assert {fault.kind for fault in faults if fault} == {"timeout"} and time.monotonic() - started < 2


async def test_a_bucket_that_is_back_is_found_by_the_watch_alone(buckets, proxy, monkeypatch):
    monkeypatch.setattr(module, "GOOD_FOR_S", 0.1)
    health = Health(buckets)
    proxy.set("refuse")
    watch = asyncio.create_task(health.run())
    try:
        async with asyncio.timeout(10):
            while not (found := health.find("far")) or found.reachable:
                await asyncio.sleep(0.05)
            proxy.set("ok")
            while not (found := health.find("far")) or not found.reachable:
                await asyncio.sleep(0.05)
    finally:
        watch.cancel()


async def test_a_folder_is_probed_too(buckets):
    folder = buckets.get("local").local_path()
    health = Health(buckets)
    assert await health.check("local") is None
    folder.rmdir()
    fault = await health.check("local", fresh=True)
    assert fault is not None and "folder" in fault.reason
    folder.write_text("a file in its place")
    assert await health.check("local", fresh=True) is not None


async def test_an_operation_that_met_an_outage_says_so(buckets):
    health = Health(buckets)
    assert await health.find_outage("far") is None, "nobody asked yet: let the operation find out"
    await health.note("far", Fault("failed", "500"))
    assert await health.find_outage("far") == Fault("failed", "500")
