import asyncio

import pyarrow as pa
import pytest

from app.jobs.context import JobStoppedError
from app.moves.flow import Flow, StoppedError

SCHEMA = pa.schema([("a", pa.int64())])
BATCH = pa.record_batch([[1, 2, 3]], schema=SCHEMA)


class Context:
    """What a flow wants of a job."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.reports = []
        self.stop_at = stop_at

    async def report(self, done, total):
        self.reports.append((done, total))
        if len(self.reports) >= self.stop_at:
            raise JobStoppedError


def test_rows_are_counted_and_a_failure_is_kept():
    def fail():
        yield BATCH
        raise ValueError("the reason")

    flow = Flow()
    stream = flow.stream(pa.RecordBatchReader.from_batches(SCHEMA, fail()))
    assert stream.read_next_batch() == BATCH
    with pytest.raises(Exception) as caught:
        stream.read_next_batch()
    assert flow.rows == 3
    assert str(flow.reason(caught.value)) == "the reason"
    assert flow.reason(caught.value) is flow.error


def test_a_stopped_flow_ends_with_its_next_batch():
    flow = Flow()
    batches = flow.batches(pa.RecordBatchReader.from_batches(SCHEMA, iter([BATCH, BATCH])))
    next(batches)
    flow.stop()
    with pytest.raises(StoppedError):
        next(batches)


async def test_a_cancelled_job_stops_the_work_and_waits_for_its_end(monkeypatch):
    monkeypatch.setattr("app.moves.flow.WATCH_S", 0.01)
    flow, ended = Flow(), []

    def work():
        try:
            for _ in flow.batches(endless()):
                pass
        finally:
            ended.append(True)

    with pytest.raises(JobStoppedError):
        await flow.watch(Context(3), 10, asyncio.to_thread(work))
    assert ended == [True]
    assert isinstance(flow.error, StoppedError)


async def test_progress_is_the_rows_and_never_more_than_the_total(monkeypatch):
    monkeypatch.setattr("app.moves.flow.WATCH_S", 0.01)
    flow, context = Flow(), Context()
    flow.rows = 12

    async def work():
        await asyncio.sleep(0.05)
        return "done"

    assert await flow.watch(context, 10, work()) == "done"
    assert set(context.reports) == {(12, 12)}


def endless():
    while True:
        yield BATCH
