"""An erasure while others search, read, write, load, refresh and tombstone: it ends, and no byte or answer is left."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.db.scope import Scope
from app.errors import UnavailableError
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.tombstones import erasure_steps
from app.tombstones.erasure_models import Erasure
from app.vectors.indexing import index_pending
from app.vectors.models import SearchRequest
from app.vectors.search import Searcher
from tests.integration.tombstones.conftest import People, to_csv

#: One with notes longer than a page, two others.
WHO = (300, 61, 1490)
KEYS = [str(number) for number in WHO]
#: Who is not erased, and tombstoned meanwhile.
TOMBSTONED = range(1000, 1400)
#: So often the queue would try the job.
ATTEMPTS = 5


class Neighbours:
    """Everybody else, until they are stopped. Counts what each did, and what of the erased they saw after the purge."""

    def __init__(self, people: People, reader: Scope) -> None:
        self.done: dict[str, int] = {}
        self.seen: list[str] = []
        self.purged = self.ending = False
        self._people = people
        self._reader = reader
        self._owner = people.database.owner()
        self._embedders = Embedders(FakeEmbedder())
        self._searcher = Searcher(people.database, self._embedders, keep_questions=100)
        self._draws = random.Random(7)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """All of them."""
        all_work = (self.search, self.write, self.refresh, self.load, self.read, self.tombstone)
        self._tasks = [asyncio.create_task(self._go_on(work), name=work.__name__) for work in all_work]

    async def warm(self, rounds: int) -> None:
        """Return when each has done so much."""
        while len(self.done) < len(self._tasks) or min(self.done.values()) < rounds:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End them; what one of them failed by comes out."""
        for task in self._tasks:
            task.cancel()
        done, left = await asyncio.wait(self._tasks, timeout=30)
        assert not left, f"does not end: {left}"
        for task in done:
            if not task.cancelled() and (failure := task.exception()) is not None:
                raise failure

    async def _go_on(self, work: Callable[[], Awaitable[None]]) -> None:
        name = work.__name__
        while True:
            await work()
            self.done[name] = self.done.get(name, 0) + 1
            await asyncio.sleep(0.01)

    async def search(self) -> None:
        """By a name of theirs, which is kept as a question until the erasure is under way."""
        purged = self.purged
        who = self._people.rows[self._draws.choice(WHO) - 1]
        query = "a note about somebody" if self.ending else f"note about {who['username']}"
        for mode in ("vector", "text", "hybrid"):
            request = SearchRequest(index="people_v1", query=query, mode=mode, k=20)  # type: ignore[arg-type]
            answer = await self._searcher.search(self._reader, "raw", request)
            self._saw(purged, [hit.doc_key for hit in answer.hits])

    async def read(self) -> None:
        """Their rows."""
        purged = self.purged
        statement = "select number::text as value from p_raw.people where number = any(%(who)s)"
        rows = await self._reader.fetch_value(
            f"select array_agg(r.value) from ({statement}) r", {"who": [*WHO]}
        )
        self._saw(purged, rows or [])

    def _saw(self, purged: bool, keys: list[str]) -> None:
        if purged:
            self.seen += [key for key in keys if key in KEYS]

    async def write(self) -> None:
        """A row changes, one of theirs every other time, so that it is journaled and embedded anew."""
        number = self._draws.choice([self._draws.choice(WHO), self._draws.randrange(1, 1000)])
        async with self._owner.begin() as transaction:
            await transaction.execute(
                "update lake.people set notes = notes || %(more)s where number = %(number)s",
                {"more": f" and w{number}", "number": number},
            )

    async def refresh(self) -> None:
        """What changed is embedded."""

        async def report(done: int, total: int | None = None) -> None:
            pass

        for index in ("people_v1", "some_v1"):
            await index_pending(self._people.database, self._embedders, index, report)

    async def load(self) -> None:
        """A file with somebody new."""
        number = 20_000 + self.done.get("load", 0)
        await self._people.load(
            to_csv([{**self._people.rows[1], "number": str(number), "username": f"new-{number}"}]), "merge"
        )

    async def tombstone(self) -> None:
        """Somebody else goes, too."""
        key = str(TOMBSTONED[self.done.get("tombstone", 0) % len(TOMBSTONED)])
        async with self._owner.begin() as transaction:
            await transaction.execute(
                "select lakeward.create_tombstones('people', 'number', %(keys)s, 'test')", {"keys": [key]}
            )
        await asyncio.sleep(0.1)


async def run_to_end(people: People, erasure_id: str) -> tuple[Erasure, list[str]]:
    """As the queue does: again when it says that it could not end yet; what it said."""
    said: list[str] = []
    for _ in range(ATTEMPTS):
        try:
            return await people.run(erasure_id), said
        except UnavailableError as exc:
            said.append(exc.message)
    raise AssertionError(said)


async def test_an_erasure_beside_others_at_work(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = people.database.reader((await get_profile(people.database.steward(), "raw")).role_name)
    neighbours = Neighbours(people, reader)
    values = [value for number in WHO for value in people.own_bytes(number)]

    def telling(step: Any, name: str, *, before: bool) -> Any:
        async def run(work: Any) -> Any:
            if before:
                setattr(neighbours, name, True)
                # what was asked before is answered; asked afterwards, it would be kept again
                await asyncio.sleep(1)
            found = await step(work)
            setattr(neighbours, name, True)
            return found

        return run

    purge, write = erasure_steps.RUN["purge"], erasure_steps.RUN["write_receipt"]
    monkeypatch.setitem(erasure_steps.RUN, "purge", telling(purge, "purged", before=False))  # type: ignore[arg-type]
    monkeypatch.setitem(erasure_steps.RUN, "write_receipt", telling(write, "ending", before=True))  # type: ignore[arg-type]
    neighbours.start()
    try:
        await neighbours.warm(3)
        before = dict(neighbours.done)
        erasure, said = await run_to_end(people, await people.ask(*KEYS))
        await asyncio.sleep(0.5)
    finally:
        await neighbours.stop()
    assert erasure.has_receipt, said
    assert neighbours.seen == []
    assert people.find_bytes(*values) == set(), said
    # nobody stood still meanwhile
    assert all(neighbours.done[name] > count for name, count in before.items()), neighbours.done
