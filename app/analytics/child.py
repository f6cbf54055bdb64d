"""One process per query: what a reader's SQL does to it, it does to nobody else.

The engine keeps to its limits while it runs operators, not while it plans or computes one value: `select 1` + 40,000
times `+1` ends the process, `array_repeat(1, 1000000000)` takes 16 GB. So the query, its export and its answer live in
a process that is forked for it, may use so much memory and no more, and is killed at its deadline.
"""

import asyncio
import contextlib
import io
import multiprocessing
import resource
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import pyarrow as pa
from datafusion import SessionContext

from app import errors
from app.analytics.engine import empty_batch, run_query
from app.analytics.export import arrow_schema, export_relations
from app.analytics.models import Limits, RelationColumns
from app.delta.govern import GovernedFiles, govern
from app.delta.places import register_store
from app.errors import InternalError, InvalidQueryError, LakewardError, TimeoutExceededError

#: Forks come from a process that has imported the engine and never started it: 20 ms instead of 700.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["app.analytics.child"])
#: What the engine, Arrow and their threads take before a row is read.
BASE_BYTES = 768 * 1024 * 1024
RESERVED_BYTES = 6 * 1024**3
WATCH_S = 0.05
#: Queries at a time in one API process; each may use its memory limit.
CONCURRENT = 4


class QueryTask(msgspec.Struct, frozen=True):
    """All that a child needs to answer one query."""

    sql: str
    relations: list[RelationColumns]
    files: list[GovernedFiles]
    dsn: str
    role: str
    limits: Limits

    def __repr__(self) -> str:
        """Without the DSN, which holds a password."""
        return f"QueryTask({self.role})"


class _Outcome(msgspec.Struct, frozen=True):
    truncated: bool = False
    code: str | None = None
    message: str = ""


class QueryProcesses:
    """Starts children, and ends them however the query ends."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(CONCURRENT)

    async def run(self, task: QueryTask) -> tuple[pa.Table, bool]:
        """The first rows of the answer, and whether there are more. The child is gone when this returns.

        Raises:
            LakewardError: what the query is refused for.
            InvalidQueryError: it needs more memory than it may use, or more depth than the engine has.
            TimeoutExceededError: its time was over; nothing of it goes on.
        """
        async with self._free:
            deadline = time.monotonic() + task.limits.timeout_ms / 1000
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(target=serve, args=(theirs,), daemon=True, name="lakeward-query")
            try:
                await asyncio.to_thread(process.start)
                theirs.close()
                return await asyncio.to_thread(_ask, ours, process, task, deadline)
            finally:
                await asyncio.shield(asyncio.to_thread(_end, process, ours))


def _ask(
    connection: Connection, process: BaseProcess, task: QueryTask, deadline: float
) -> tuple[pa.Table, bool]:
    try:
        connection.send_bytes(msgspec.msgpack.encode(task))
        _wait(connection, process, task.limits, deadline)
        outcome = msgspec.msgpack.decode(connection.recv_bytes(), type=_Outcome)
        if outcome.code is not None:
            raise _to_error(outcome)
        with pa.ipc.open_stream(connection.recv_bytes()) as reader:
            return reader.read_all(), outcome.truncated
    except (EOFError, OSError) as exc:
        process.join(timeout=1)
        if process.exitcode == -signal.SIGSEGV:
            raise InvalidQueryError("the query is too deep for the engine; make it simpler") from exc
        raise InvalidQueryError("the query needs more memory than it may use (query.memory_bytes)") from exc


def _wait(connection: Connection, process: BaseProcess, limits: Limits, deadline: float) -> None:
    """Until the child answers. What it really holds in memory is looked at 20 times a second."""
    most = BASE_BYTES + 3 * limits.memory_bytes
    while not connection.poll(WATCH_S):
        if time.monotonic() > deadline:
            raise TimeoutExceededError(f"the query did not end within {limits.timeout_ms} ms")
        if _resident_bytes(process.pid) > most:
            raise InvalidQueryError("the query needs more memory than it may use (query.memory_bytes)")
        if not process.is_alive() and not connection.poll(0):
            raise EOFError


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _end(process: BaseProcess, connection: Connection) -> None:
    with contextlib.suppress(ValueError, AssertionError, AttributeError):
        process.kill()
        process.join(timeout=5)
    connection.close()


def _to_error(outcome: _Outcome) -> LakewardError:
    kinds: dict[str, type[LakewardError]] = {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, LakewardError)
    }
    return kinds.get(outcome.code or "", InternalError)(outcome.message)


def serve(connection: Connection) -> None:
    """The child: one task in, an outcome and its rows as an Arrow stream out."""
    # Ctrl-C is for the server, which ends its children itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = msgspec.msgpack.decode(connection.recv_bytes(), type=QueryTask)
    # allocators reserve far more than they use, so this is only the net under _wait, for one huge allocation
    limit = RESERVED_BYTES + 3 * task.limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        table, truncated = asyncio.run(_run(task))
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    except LakewardError as exc:
        connection.send_bytes(msgspec.msgpack.encode(_Outcome(code=exc.code, message=exc.message)))
        return
    except MemoryError:
        message = "the query needs more memory than it may use (query.memory_bytes)"
        connection.send_bytes(msgspec.msgpack.encode(_Outcome(code=InvalidQueryError.code, message=message)))
        return
    connection.send_bytes(msgspec.msgpack.encode(_Outcome(truncated=truncated)))
    connection.send_bytes(sink.getbuffer())


async def _run(task: QueryTask) -> tuple[pa.Table, bool]:
    relations = {relation.name: relation for relation in task.relations}
    frames = await asyncio.to_thread(govern, task.files)
    schemas = {name: arrow_schema(relation) for name, relation in relations.items()}
    schemas |= {name: frame.schema() for name, frame in frames.items()}

    async def mount(context: SessionContext, named: Sequence[str]) -> None:
        for relation in task.files:
            if relation.name in named and relation.address is not None:
                register_store(context, relation.address)
        for name in named:
            if name in frames:
                context.register_table(name, frames[name].into_view())
        if tables := [relations[name] for name in named if name in relations]:
            await asyncio.to_thread(_export, context, task, tables)

    table, truncated = await run_query(task.sql, schemas, mount, task.limits)
    if table.nbytes > task.limits.memory_bytes:
        raise InvalidQueryError("the answer is larger than the memory a query may use; ask for less of it")
    return table, truncated


def _export(context: SessionContext, task: QueryTask, relations: Sequence[RelationColumns]) -> None:
    tables = export_relations(
        task.dsn,
        task.role,
        relations,
        timeout_ms=task.limits.timeout_ms,
        memory_bytes=task.limits.memory_bytes,
    )
    for name, table in tables.items():
        context.register_record_batches(name, [table.to_batches() or [empty_batch(table)]])
