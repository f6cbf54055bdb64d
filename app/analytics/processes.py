"""Starts the processes of queries, watches them, and ends them however the query ends."""

import asyncio
import contextlib
import multiprocessing
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from app.analytics.child import TOO_LARGE, QueryTask, serve
from app.analytics.frames import Frame, receive_frame, send_task
from app.analytics.models import Limits
from app.errors import InvalidQueryError, LakewardError, TimeoutExceededError

#: Forks come from a process that has imported the engine and never started it: 20 ms instead of 700.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["app.analytics.child"])
#: What the engine, Arrow and their threads take before a row is read.
BASE_BYTES = 768 * 1024 * 1024
WATCH_S = 0.05
#: What a process has sent and nobody has read yet waits here.
LINK_BYTES = 1024 * 1024
#: Queries at a time in one API process; each may use its memory limit.
CONCURRENT = 4


class Running:
    """A query at work. Its time is the time that somebody waits for it: who reads slowly does not use it up."""

    def __init__(self, process: BaseProcess, link: socket.socket, limits: Limits, used_s: float) -> None:
        self._process = process
        self._link = link
        self._limits = limits
        self._used_s = used_s
        self._since: float | None = None
        self._verdict: LakewardError | None = None

    async def next(self) -> Frame:
        """The next frame.

        Raises:
            LakewardError: what the query is refused for, or failed with.
            InvalidQueryError: it needs more memory than it may use, or more depth than the engine has.
            TimeoutExceededError: its time was over; nothing of it goes on.
        """
        self._since = time.monotonic()
        try:
            return await receive_frame(self._link)
        except (EOFError, OSError) as exc:
            raise await asyncio.to_thread(self._explain) from exc
        finally:
            self._used_s += time.monotonic() - self._since
            self._since = None

    def _explain(self) -> LakewardError:
        if self._verdict is not None:
            return self._verdict
        self._process.join(timeout=1)
        if self._process.exitcode == -signal.SIGSEGV:
            return InvalidQueryError("the query is too deep for the engine; make it simpler")
        return InvalidQueryError(TOO_LARGE)

    async def watch(self) -> None:
        """Look 20 times a second at what the process really holds in memory, and at the clock."""
        most = BASE_BYTES + 3 * self._limits.memory_bytes
        while True:
            waited = 0.0 if self._since is None else time.monotonic() - self._since
            if self._used_s + waited > self._limits.timeout_ms / 1000:
                self._verdict = TimeoutExceededError(
                    f"the query did not end within {self._limits.timeout_ms} ms"
                )
            elif _private_bytes(self._process.pid) > most:
                self._verdict = InvalidQueryError(TOO_LARGE)
            if self._verdict is not None:
                self._process.kill()
                return
            await asyncio.sleep(WATCH_S)


class QueryProcesses:
    """The processes of one API process."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(CONCURRENT)

    @asynccontextmanager
    async def run(self, task: QueryTask) -> AsyncIterator[Running]:
        """A process that answers the task, to be read frame by frame. It is gone when this is left."""
        async with self._free:
            started = time.monotonic()
            ours, theirs = socket.socketpair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LINK_BYTES)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_BYTES)
            process = _CONTEXT.Process(target=serve, args=(theirs,), daemon=True, name="lakeward-query")
            try:
                await asyncio.to_thread(process.start)
                theirs.close()
                send_task_bytes = msgspec.msgpack.encode(task)
                await asyncio.to_thread(send_task, ours, send_task_bytes)
                ours.setblocking(False)
                running = Running(process, ours, task.limits, time.monotonic() - started)
                watcher = asyncio.create_task(running.watch(), name="query watcher")
                try:
                    yield running
                finally:
                    watcher.cancel()
            finally:
                theirs.close()
                await asyncio.shield(asyncio.to_thread(_end, process, ours))


def _private_bytes(pid: int | None) -> int:
    """Memory of its own: what is mapped from a file is the cache's."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _end(process: BaseProcess, link: socket.socket) -> None:
    with contextlib.suppress(ValueError, AssertionError, AttributeError):
        process.kill()
        process.join(timeout=5)
    link.close()
