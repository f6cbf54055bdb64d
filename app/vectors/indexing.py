"""The indexing job: rows that wait in vec.<index>_pending are chunked, embedded and written.

Two tasks with a bounded queue between them: one reads and embeds, the other writes. A batch's chunks and the removal
of its rows from _pending are one transaction, so the queue of pending rows is the checkpoint: a worker that was killed
goes on with what is still pending, and nothing that was written is embedded again. A row that changed while it was
being embedded has a new `seq` and stays pending. No connection is held while the model works.

A text is embedded once: chunks with equal texts, in the index or in the same job, share their vector. A row whose text
the model refuses is set aside with the reason, and the others go on (app/vectors/refresh_embedding.py).
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec
from psycopg import sql

from app.db.builder import building
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InternalError, NotFoundError
from app.models.embedders import Embedders
from app.vectors import refresh_statements as statements
from app.vectors.models import IndexRow
from app.vectors.near import table
from app.vectors.refresh_embedding import PatientEmbedder, Tell
from app.vectors.refresh_rows import (
    Batch,
    Cut,
    Pending,
    Remembered,
    Vector,
    Written,
    cut,
    find_vectors,
    write,
)

QUERIES = load_queries(__file__)
#: Batches that may wait to be written: enough to keep the model busy, and all that a kill -9 makes it embed again.
QUEUE_SIZE = 2
#: How often a job says that it is alive, and hears that it was cancelled, while the model works.
BEAT_S = 1.0
#: Rows that changed or came meanwhile are looked for again, but not for ever: somebody may write all the time.
MAX_PASSES = 10


class Report(Protocol):
    """How a job says how far it is."""

    async def __call__(self, done: int, total: int | None = None) -> None:
        """`done` of `total` rows."""
        ...


class Indexed(msgspec.Struct, frozen=True):
    """What an indexing job did, in rows: `embedded` by the model, `reused` by texts that had a vector already.

    `removed` are rows whose chunks had outlived them, which should be none: chunks go in the transaction that takes
    their row away. `rejected` were set aside. Rows without text count in `rows` alone.
    """

    index: str
    rows: int = 0
    chunks: int = 0
    embedded: int = 0
    reused: int = 0
    removed: int = 0
    rejected: int = 0

    def plus(self, written: Written) -> "Indexed":
        """With a batch more."""
        more = msgspec.structs.asdict(written)
        return msgspec.structs.replace(self, **{name: getattr(self, name) + more[name] for name in more})


async def get_index_row(scope: Scope, name: str) -> IndexRow:
    """The index, as the scope sees it.

    Raises:
        NotFoundError: no such index, or not the caller's to see.
    """
    parameters = {"name": name, "source": None, "model": None, "after": None, "limit": 1}
    rows = await scope.fetch(IndexRow, QUERIES["indexes"], parameters)
    if not rows:
        raise NotFoundError(f"no index {name[:60]!r}")
    return rows[0]


async def index_pending(
    database: Database,
    embedders: Embedders,
    name: str,
    report: Report,
    *,
    retry: bool = False,
    tell: Tell | None = None,
) -> Indexed:
    """Embed every pending row of the index and write its chunks; returns when nothing is pending.

    With `retry` also the rows that were set aside. What was written stays, however it ends.

    Raises:
        NotFoundError: the index went away meanwhile.
        ConflictError: no configured model is the index's own, or it answers other dimensions than the index has.
        ProviderError: the model stayed away, or did not answer as it should.
    """
    owner = database.owner(timeout_ms=600_000)
    index = await get_index_row(owner, name)
    model = (index.provider, index.model_name, index.model_version, index.dimensions)
    embedder = await embedders.find(*model)
    try:
        removed = await _reconcile(owner, index, retry=retry)
        patient = PatientEmbedder(embedder, index.dimensions, tell=tell)
        run = _Run(owner, index, patient, report, removed)
        done = await run.run()
        await _finish(database, owner, index, done, run.total)
    except (InternalError, ExceptionGroup) as exc:
        await get_index_row(owner, name)  # it may have been deleted, with the tables this works on
        raise _first(exc) from exc
    return done


def _first(exc: Exception) -> Exception:
    """The only one of a group, most often; what a task raised is no different from what its caller raised."""
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    return exc


class _Counts(msgspec.Struct, frozen=True):
    rows: int
    pending: int


class _Run:
    """One job: what it did so far is `done`, of `total` rows of the relation."""

    def __init__(
        self, owner: Scope, index: IndexRow, embedder: PatientEmbedder, report: Report, removed: int
    ) -> None:
        self.done = Indexed(index=index.name, removed=removed)
        self.total = 0
        self._owner = owner
        self._index = index
        self._embedder = embedder
        self._report = report
        self._before = 0
        self._ended = False
        self._remembered = Remembered()

    async def run(self) -> Indexed:
        """Pass after pass until one finds nothing."""
        counts = (await self._owner.fetch(_Counts, statements.count_rows(self._index)))[0]
        # all rows of the relation: a resumed job goes on counting where it was
        self.total, self._before = counts.rows, max(counts.rows - counts.pending, 0)
        await self._say()
        for _ in range(MAX_PASSES):
            before = self.done.rows
            await self._pass()
            if self.done.rows == before:
                break
        return self.done

    async def _say(self) -> None:
        done = self._before + self.done.rows
        await self._report(done, max(self.total, done))

    async def _pass(self) -> None:
        queue: asyncio.Queue[Batch | None] = asyncio.Queue(maxsize=QUEUE_SIZE)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._embed_all(queue))
            try:
                while (batch := await self._next(queue)) is not None:
                    self.done = self.done.plus(await write(self._owner, self._index, batch))
                    await self._say()
            except BaseException:
                # asyncio.wait_for, in psycopg, may lose the cancellation of a task (python/cpython#81839): it is told
                # to end in this way as well, and finds room for what it has in its hands
                self._ended = True
                while not queue.empty():
                    queue.get_nowait()
                raise

    async def _next(self, queue: "asyncio.Queue[Batch | None]") -> Batch | None:
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    return await queue.get()
            except TimeoutError:
                await self._say()

    async def _embed_all(self, queue: "asyncio.Queue[Batch | None]") -> None:
        async for rows in self._read():
            if self._ended:
                return
            await queue.put(await self._embed(await cut(self._index, rows)))
        await queue.put(None)

    async def _read(self) -> AsyncIterator[list[Pending]]:
        """Batches in the order of the row key, so that what is still being written is not read again."""
        last: Any = None
        while True:
            statement = statements.read_pending(self._index, self._embedder.pace.size, first=last is None)
            rows = await self._owner.fetch(Pending, statement, {"last": last})
            if not rows:
                return
            last = rows[-1].row_key
            yield rows

    async def _embed(self, found: Cut) -> Batch:
        texts = dict.fromkeys(chunk.text for chunk in found.chunks)
        known: dict[str, Vector] = self._remembered.find(texts)
        known |= await find_vectors(self._owner, self._index, [text for text in texts if text not in known])
        new = [text for text in texts if text not in known]
        answer = await self._embedder.embed(new)
        fresh = {text: answer.vectors[n] for n, text in enumerate(new) if n not in answer.refused}
        self._remembered.add(fresh)
        known |= fresh
        reasons = {new[n]: reason for n, reason in answer.refused.items()}
        refused = {chunk.row_key: reasons[chunk.text] for chunk in found.chunks if chunk.text in reasons}
        chunks = [chunk for chunk in found.chunks if chunk.row_key not in refused]
        return Batch(
            rows=found.rows,
            chunks=chunks,
            vectors=[known[chunk.text] for chunk in chunks],
            embedded=_first_rows(chunks, fresh),
            refused=found.refused | refused,
        )


def _first_rows(chunks: Any, fresh: Any) -> set[Any]:
    """The row of the first chunk with each of the texts: for it the text was embedded, the others reuse it."""
    first: dict[str, Any] = {}
    for chunk in chunks:
        if chunk.text in fresh:
            first.setdefault(chunk.text, chunk.row_key)
    return set(first.values())


async def _reconcile(owner: Scope, index: IndexRow, *, retry: bool) -> int:
    """Rows that lost their chunks wait; chunks that lost their row go. How many rows' chunks those were."""
    async with owner.begin() as transaction:
        await transaction.execute(statements.lock_chunks(index))
        removed: int = await transaction.fetch_value(statements.remove_stray(index))
        await transaction.execute(statements.find_lost(index))
        if retry:
            await transaction.execute(statements.try_again(index))
    return removed


async def _finish(database: Database, owner: Scope, index: IndexRow, done: Indexed, total: int) -> None:
    if done.rows or done.removed:
        await _vacuum(database, index, whole=done.rows * 5 >= total)
    await call_fresh(owner, index.name, embedded=True)


async def call_fresh(owner: Scope, name: str, *, embedded: bool) -> None:
    """The index's dataset is fresh, unless one of the dataset's own indexes is not; `embedded`: it was just now."""
    named = {"name": name}
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["lock_dataset"], named)
        # nobody is making it stale at this moment (sql/30_track_rows.sql), or else it is not called fresh
        fresh = bool(await transaction.fetch_value(QUERIES["lock_staleness"], named))
        for sibling in await transaction.fetch_values(QUERIES["sibling_indexes"], named):
            statement = sql.SQL("select exists (select from {})").format(table(sibling, "_pending"))
            fresh = fresh and not await transaction.fetch_value(statement)
        if embedded:
            await transaction.execute(QUERIES["set_embedded"], named)
        await transaction.execute(QUERIES["refresh_staleness"], {**named, "fresh": fresh})


async def _vacuum(database: Database, index: IndexRow, *, whole: bool) -> None:
    """An emptied _pending is otherwise read page by page by every search that counts it.

    The chunks only after a build: of an HNSW graph with a few dead chunks every node would be visited.
    """
    suffixes = ("", "_text", "_pending") if whole else ("_pending",)
    tables = sql.SQL(", ").join(table(index.table_name, suffix) for suffix in suffixes)
    async with building(database, lock=f"lakeward.vacuum.{index.table_name}", memory_bytes=0) as connection:
        await connection.execute(sql.SQL("vacuum (analyze) {}").format(tables))
