"""kill -9 before, in the middle of and after each step of an erasure: it is completed, and no byte is left."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import app
from app.tombstones.erasure_plan import STEPS
from app.tombstones.working_file import working_folder
from tests.integration.tombstones.conftest import People, people

__all__ = ["people"]
WORKER = Path(__file__).with_name("erasure_worker.py")
WHO = 300
KILLS = [f"{step}:before" for step in STEPS], [f"{step}:after" for step in STEPS]
DURING = ["purge:during", "rewrite:during", "write_receipt:during"]


def start(people: People, crash_at: str) -> "subprocess.Popen[bytes]":
    arguments = (
        people.database.service_dsn,
        people.settings.home,
        people.settings.database_url or "",
        crash_at,
    )
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(app.__file__).parent.parent)},
    )


async def complete(people: People, erasure_id: str) -> None:
    """A worker that nobody kills ends it."""
    process = start(people, "-")
    try:
        deadline = time.monotonic() + 60
        while (erasure := await people.get(erasure_id)).state in ("queued", "running"):
            assert time.monotonic() < deadline, erasure
            await asyncio.sleep(0.1)
        assert erasure.state == "succeeded" and erasure.has_receipt, erasure
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("kills", [*KILLS, DURING], ids=["before", "after", "during"])
async def test_killed_at_every_step_it_completes(people: People, kills: list[str]) -> None:
    values = people.own_bytes(WHO)
    assert people.find_bytes(*values) == set(values)
    erasure_id = await people.ask(str(WHO))
    for crash_at in kills:
        process = start(people, crash_at)
        assert await asyncio.to_thread(process.wait, 60) == -9, crash_at
    await complete(people, erasure_id)
    assert people.find_bytes(*values) == set()
    receipt = (await people.receipt(erasure_id)).receipt
    assert (receipt["removed"]["rows"], receipt["scan_after"]["places"]) == (1, [])
    # the purge is completed by its own transaction, which cannot say how long it took
    assert [step["step"] for step in receipt["steps"] if step["step"] != "purge"] == [
        step for step in STEPS[:-1] if step != "purge"
    ]
    assert receipt["requested_at"] <= receipt["purged_at"] <= receipt["finished_at"]
    assert list(working_folder(people.settings.home).iterdir()) == []
    with people.database_admin() as connection:
        counted = connection.execute(
            "select count(*) filter (where kind = 'erasure'), count(*) filter (where kind = 'tombstone') "
            "from lakeward.journal"
        ).fetchone()
    assert counted == (1, 1), "each is on record once"


async def test_killed_when_the_rows_are_gone_the_next_worker_goes_on(people: People) -> None:
    """The one moment that only the working file outlives."""
    erasure_id = await people.ask(str(WHO))
    process = start(people, "purge:after")
    assert await asyncio.to_thread(process.wait, 60) == -9
    assert (await people.get(erasure_id)).step == "purge"
    with people.database_admin() as connection:
        counted = connection.execute("select count(*) from lake.people where number = %s", [WHO]).fetchone()
    assert counted == (0,) and people.find_bytes(*people.own_bytes(WHO)) != set()
    await complete(people, erasure_id)
    assert people.find_bytes(*people.own_bytes(WHO)) == set()
