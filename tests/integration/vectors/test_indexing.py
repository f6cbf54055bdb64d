"""The indexing job against a real database: what it keeps, what it sets aside, when it ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset, get_dataset
from app.db.database import Database
from app.errors import ConflictError, NotFoundError, ProviderError
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.vectors import indexing, refresh_statements
from app.vectors.indexing import Indexed, index_pending
from app.vectors.models import ChunkConfig, IndexRequest
from app.vectors.refresh import list_rejected_rows
from app.vectors.service import create_index, delete_index, get_index

DIMENSIONS = 8


class Model(FakeEmbedder):
    """Answers as `act` says, which gets the texts and what a good model would answer."""

    def __init__(self) -> None:
        super().__init__(DIMENSIONS)
        self.act: Callable[[list[str], Any], Any] = lambda texts, good: good

    async def embed(self, texts: Sequence[str]) -> Any:
        answer = self.act(list(texts), await super().embed(texts))
        return await answer if asyncio.iscoroutine(answer) else answer


class Notes:
    """A dataset of notes with an index, and the model that embeds it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.owner = database.owner()
        self.model = Model()
        self.progress: list[tuple[int, int | None]] = []

    async def insert(self, *texts: str | None, first: int = 0) -> None:
        async with self.owner.begin() as transaction:
            await transaction.execute(
                "insert into lake.notes (id, text) select n + %s, t from unnest(%s::text[]) with ordinality u (t, n)",
                [first - 1, list(texts)],
            )

    async def run(self, **options: Any) -> Indexed:
        async def report(done: int, total: int | None = None) -> None:
            self.progress.append((done, total))

        return await index_pending(self.database, Embedders(self.model), "notes_v1", report, **options)

    async def execute(self, statement: Any) -> None:
        async with self.owner.begin() as transaction:
            await transaction.execute(statement)

    async def value(self, statement: Any) -> Any:
        return await self.owner.fetch_value(statement)

    async def rejected(self) -> dict[str, str]:
        page = await list_rejected_rows(self.owner, "notes_v1", 100, None)
        return {row.row_key: row.reason for row in page.items}


@pytest.fixture
async def notes(database: Database) -> AsyncIterator[Notes]:
    """Notes without rows yet."""
    steward = database.steward()
    columns = [ColumnRequest(name="id", type="bigint"), ColumnRequest(name="text", type="text")]
    await create_or_update_dataset(steward, DatasetRequest(name="notes", row_key="id", columns=columns))
    made = Notes(database)
    request = IndexRequest(source="notes", text_columns=["text"], chunk=ChunkConfig(size=100, overlap=0))
    await create_index(steward, made.model, request)
    yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is away is waited for a second, and for an answer half of one."""

    monkeypatch.setattr("app.vectors.refresh_embedding.PATIENCE_S", 1.0)
    monkeypatch.setattr("app.vectors.refresh_embedding.CALL_S", 0.5)


async def test_a_refused_row_is_set_aside_with_its_reason_and_the_others_go_on(notes: Notes) -> None:
    await notes.insert(*(f"note {n}" for n in range(300)))
    await notes.execute("update lake.notes set text = 'poison ' || id where id in (7, 250)")

    def act(texts: list[str], good: Any) -> Any:
        if any("poison" in text for text in texts):
            raise ProviderError("status 400: not this one")
        return good

    notes.model.act = act
    done = await notes.run()
    assert (done.embedded, done.reused, done.rejected, done.chunks) == (298, 0, 2, 298)
    assert await notes.rejected() == dict.fromkeys(("7", "250"), "status 400: not this one")
    # not searchable is not fresh
    assert (await get_dataset(notes.database.steward(), "notes")).freshness.embedding == "stale"
    assert (await get_index(notes.database.steward(), "notes_v1")).freshness.stale_rows == 2
    # not asked again until its text changes, or somebody asks for it
    notes.model.embedded.clear()
    assert (await notes.run()).rows == 0 and notes.model.embedded == []
    await notes.execute("update lake.notes set text = 'fine now' where id = 7")
    assert await notes.rejected() == {"250": "status 400: not this one"}
    assert (await notes.run()).embedded == 1
    await notes.execute("delete from lake.notes where id = 250")
    assert await notes.rejected() == {}
    assert (await notes.run()).rows == 0
    assert (await get_dataset(notes.database.steward(), "notes")).freshness.embedding == "fresh"


async def test_what_was_set_aside_is_tried_again_by_a_refresh(notes: Notes) -> None:
    await notes.insert("poison", "fine")
    notes.model.act = lambda texts, good: good * (np.nan if "poison" in texts else 1)
    assert (await notes.run()).rejected == 1
    notes.model.act = lambda texts, good: good
    done = await notes.run(retry=True)
    assert (done.embedded, done.rejected) == (1, 0) and await notes.rejected() == {}


@pytest.mark.parametrize(
    "large",
    [pytest.param(10_000_000, marks=pytest.mark.slow, id="10 MB"), pytest.param(300_000, id="300 kB")],
)
async def test_texts_of_every_kind(notes: Notes, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(refresh_statements, "MAX_ROW_BYTES", 11_000_000)
    texts = {
        "empty": "",
        "null": None,
        "spaces": " \t\n\u00a0\u2003 " * 100,
        "one huge word": "x" * 100_000,
        "right to left": "\u202eשלום عالم مرحبا\u202c " * 10,
        "combining": "e\u0301\u0302" * 300,
        "control characters": "a\x01\x02\x1fb",
        "large": "some words of a text. " * (large // 22),
        "too large": "y" * 11_000_001,
    }
    await notes.insert(*texts.values())
    started = time.perf_counter()
    done = await notes.run()
    assert time.perf_counter() - started < 60
    assert (done.rows, done.rejected) == (9, 1)
    names = list(texts)
    ((key, reason),) = (await notes.rejected()).items()
    assert names[int(key)] == "too large" and "11,000,001 bytes" in reason
    chunks = "select count(*) from vec.notes_v1 where row_key = {}"
    counts = {name: await notes.value(chunks.format(n)) for n, name in enumerate(names)}
    assert counts["empty"] == counts["null"] == counts["spaces"] == counts["too large"] == 0
    assert counts["one huge word"] == 1000 and counts["large"] >= large // 100
    assert counts["right to left"] and counts["combining"] and counts["control characters"]
    # a chunk is where it says it is
    wrong = (
        "select count(*) from vec.notes_v1 c join vec.notes_v1_text t using (chunk_id) "
        "join lake.notes d on d.id = c.row_key where c.row_key <> 7 "
        "and substr(d.text, t.start_at + 1, t.end_at - t.start_at) <> t.content"
    )
    assert await notes.value(wrong) == 0
    # the same text is embedded once: of the huge word, too
    assert len(notes.model.embedded) == len(set(notes.model.embedded))


async def test_a_500_in_the_middle_costs_nothing_that_was_done(notes: Notes, impatient: None) -> None:
    await notes.insert(*(f"note {n}" for n in range(500)))
    calls = iter(range(1000))
    notes.model.act = lambda texts, good: _fail() if next(calls) in (2, 3) else good
    done = await notes.run()
    assert (done.embedded, done.rejected) == (500, 0)


async def test_a_model_that_goes_away_leaves_what_was_written_and_the_next_run_goes_on(
    notes: Notes, impatient: None
) -> None:
    await notes.insert(*(f"note {n}" for n in range(500)))
    calls = iter(range(1000))
    notes.model.act = lambda texts, good: _fail() if next(calls) >= 2 else good
    with pytest.raises(ProviderError, match="status 503"):
        await notes.run()
    written = await notes.value("select count(*) from vec.notes_v1")
    assert 0 < written < 500
    assert (
        await notes.value("select count(*) from vec.notes_v1_pending where reason is null") == 500 - written
    )
    notes.model.act = lambda texts, good: good
    notes.progress.clear()
    done = await notes.run()
    assert done.embedded == 500 - written
    assert notes.progress[0] == (written, 500) and notes.progress[-1] == (500, 500)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (lambda good: good[:, :3], ConflictError, "not the index's"),
        (lambda good: good[:, :0], ConflictError, "not the index's"),
        (lambda good: [], ConflictError, "not the index's"),
        (lambda good: good * np.nan, ProviderError, "not finite"),
        (lambda good: asyncio.sleep(60), ProviderError, "no vectors within"),
    ],
    ids=["dimensions", "no dimensions", "empty", "NaN", "never"],
)
async def test_a_model_that_cannot_be_used_refuses_no_row(
    notes: Notes, impatient: None, answer: Callable[[Any], Any], kind: type[Exception], message: str
) -> None:
    await notes.insert("a", "b", "c")
    notes.model.act = lambda texts, good: answer(good)
    with pytest.raises(kind, match=message):
        await notes.run()
    assert await notes.rejected() == {}
    assert await notes.value("select count(*) from vec.notes_v1_pending") == 3


async def test_a_run_that_is_stopped_keeps_what_it_wrote(notes: Notes) -> None:
    await notes.insert(*(f"note {n}" for n in range(400)))

    class Stopped(Exception):
        pass

    async def report(done: int, total: int | None = None) -> None:
        if done >= 64:
            raise Stopped

    with pytest.raises(Stopped):
        await index_pending(notes.database, Embedders(notes.model), "notes_v1", report)
    written = await notes.value("select count(*) from vec.notes_v1")
    assert 64 <= written < 400
    assert (await notes.run()).embedded == 400 - written


async def test_a_job_is_heard_while_the_model_is_silent(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "BEAT_S", 0.02)
    await notes.insert("a")

    class Stopped(Exception):
        pass

    beats = 0

    async def report(done: int, total: int | None = None) -> None:
        nonlocal beats
        beats += 1
        if beats > 3:
            raise Stopped

    notes.model.act = lambda texts, good: asyncio.sleep(60)
    started = time.perf_counter()
    with pytest.raises(Stopped):
        await index_pending(notes.database, Embedders(notes.model), "notes_v1", report)
    assert time.perf_counter() - started < 10


async def test_rows_that_lost_their_chunks_are_embedded_and_chunks_that_lost_their_row_go(
    notes: Notes,
) -> None:
    await notes.insert("one", "two", "three", "")
    await notes.run()
    await notes.execute("alter table lake.notes disable trigger user")
    await notes.execute("delete from lake.notes where id = 0")
    await notes.execute("alter table lake.notes enable trigger user")
    await notes.execute(
        "with gone as (delete from vec.notes_v1 where row_key = 1 returning chunk_id) "
        "delete from vec.notes_v1_text t using gone where t.chunk_id = gone.chunk_id"
    )
    done = await notes.run()
    assert (done.removed, done.embedded, done.rows) == (1, 1, 1)
    assert await notes.value("select array_agg(row_key order by row_key) from vec.notes_v1") == [1, 2]
    assert await notes.value("select count(*) from vec.notes_v1_text") == 2
    assert (await notes.run()).rows == 0


async def test_an_index_that_is_deleted_meanwhile_is_not_found(notes: Notes) -> None:
    await notes.insert(*(f"note {n}" for n in range(200)))

    async def delete(texts: list[str], good: Any) -> Any:
        if len(notes.model.embedded) > 100:
            await delete_index(notes.database.steward(), "notes_v1")
            notes.model.act = lambda texts, good: good
        return good

    notes.model.act = lambda texts, good: delete(texts, good)
    with pytest.raises(NotFoundError):
        await notes.run()


async def test_chunks_are_of_the_texts_that_rows_have_now_whoever_writes_meanwhile(notes: Notes) -> None:
    """Writers change, tombstone and delete rows while the model has them in its hands."""
    await notes.insert(*(f"note {n}" for n in range(300)))
    calls = 0

    async def disturb(good: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= 6:
            first = 40 * calls - 40
            await asyncio.gather(
                *(
                    notes.execute(
                        f"update lake.notes set text = 'changed {calls}.{writer} ' || id "
                        f"where id between {first + 5 * writer} and {first + 60 + 5 * writer}"
                    )
                    for writer in range(3)
                ),
                notes.execute(f"delete from lake.notes where id between {first} and {first + 2}"),
            )
            async with notes.database.steward().begin() as steward:
                await steward.execute(
                    "select lakeward.create_tombstones('notes', null, %s, '')", [[str(first + 10)]]
                )
        return good

    notes.model.act = lambda texts, good: disturb(good)
    await notes.run()
    await notes.run()
    assert calls >= 4
    other = await notes.value(
        "select count(*) from vec.notes_v1 c join vec.notes_v1_text t using (chunk_id) "
        "left join vec.notes_v1_source r using (row_key) where r.t1 is distinct from t.content"
    )
    assert other == 0, "chunks of texts that no row has"
    missing = await notes.value(
        "select count(*) from vec.notes_v1_source where row_key not in (select row_key from vec.notes_v1)"
    )
    assert missing == 0
    gone = await notes.value(
        "select count(*) from vec.notes_v1 where row_key in (0, 1, 2, 10, 40, 41, 42, 50, 80, 90, 120, 130)"
    )
    assert gone == 0, "rows that were deleted or tombstoned came back"
    assert await notes.value("select count(*) - count(distinct row_key) from vec.notes_v1") == 0
    assert await notes.value("select count(*) from vec.notes_v1_pending") == 0


def _fail() -> Any:
    raise ProviderError("status 503")
