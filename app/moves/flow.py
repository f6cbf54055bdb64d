"""Record batches on their way from one place to another, in a thread: counted, watched, and stopped when asked."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pyarrow as pa

from app.jobs.queue import JobContext

T = TypeVar("T")
#: How often a job says how far it is, and asks whether it is still wanted.
WATCH_S = 0.5


class StoppedError(Exception):
    """Whoever wanted the rows does not want them any more."""


class Flow:
    """One pass over the rows; `rows` of them have gone through, and `error` is what reading them failed with.

    Arrow's C stream would lose the exception.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.error: Exception | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """The next batch is the end, with StoppedError."""
        self._stopped.set()

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The reader's batches."""
        try:
            for batch in reader:
                if self._stopped.is_set():
                    raise StoppedError
                yield batch
                self.rows += batch.num_rows
        except Exception as exc:
            self.error = exc
            raise

    def stream(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """The same as a reader."""
        return pa.RecordBatchReader.from_batches(reader.schema, self.batches(reader))

    def reason(self, exc: Exception) -> Exception:
        """What really happened when whoever took the batches raised `exc`."""
        return exc if self.error is None else self.error

    async def watch(self, context: JobContext, total: int, work: Awaitable[T]) -> T:
        """What the work answers; the job reports the rows meanwhile, and the work ends when the job is cancelled.

        Raises:
            JobStoppedError: it was.
        """
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=WATCH_S))[0]:
                await context.report(self.rows, max(total, self.rows))
        except BaseException:
            self.stop()
            await asyncio.wait([task])
            # it is of no interest any more
            task.exception()
            raise
        return task.result()
