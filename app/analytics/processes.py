"""Starts the processes of queries, watches them, and ends them however the query ends."""

import asyncio
import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec

from app.analytics.cache_models import Filled
from app.analytics.child import serve
from app.analytics.frames import Frame, receive_frame, send_task
from app.analytics.models import Limits, QueryTask
from app.analytics.translate import TOO_LARGE
from app.errors import InvalidQueryError, LakewardError, TimeoutExceededError

#: Forks come from a process that has imported the engine and never started it: 20 ms instead of 700.
# A process that lives as long as its query need not give memory back before; read when the first of them starts.
os.environ.setdefault("MIMALLOC_PURGE_DELAY", "-1")
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["app.analytics.child"])
#: What the engine, Arrow and their threads take before a row is read.
BASE_BYTES = 768 * 1024 * 1024
WATCH_S = 0.05
#: What a process has sent and nobody has read yet waits here.
LINK_BYTES = 1024 * 1024
#: Queries at a time in one API process; each may use its memory limit.
CONCURRENT = 4
#: Processes that wait for the next query of the reader they have served, how long, and what they may hold meanwhile.
IDLE, IDLE_S, IDLE_BYTES = 2, 10.0, 512 * 1024 * 1024


class Running:
    """A query at work. Its time is the time that somebody waits for it: who reads slowly does not use it up."""

    def __init__(
        self,
        process: BaseProcess,
        link: socket.socket,
        limits: Limits,
        used_s: float,
        on_filled: Callable[[Filled], None],
    ) -> None:
        self._on_filled = on_filled
        self._process = process
        self._link = link
        self._limits = limits
        self._used_s = used_s
        self._since: float | None = None
        self._verdict: LakewardError | None = None
        #: Whether the last frame has come, so that the process is free.
        self.ended = False

    async def next(self) -> Frame:
        """The next frame.

        Raises:
            LakewardError: what the query is refused for, or failed with.
            InvalidQueryError: it needs more memory than it may use, or more depth than the engine has.
            TimeoutExceededError: its time was over; nothing of it goes on.
        """
        self._since = time.monotonic()
        try:
            while isinstance(frame := await receive_frame(self._link), Filled):
                self._on_filled(frame)
            self.ended = frame.last
            return frame
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


class _Started:
    """A process that was started, and this end of the link to it."""

    def __init__(self) -> None:
        self.link, theirs = socket.socketpair()
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LINK_BYTES)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LINK_BYTES)
        self.process = _CONTEXT.Process(target=serve, args=(theirs,), daemon=True, name="lakeward-query")
        try:
            self.process.start()
        finally:
            theirs.close()

    def send(self, task: QueryTask, files: Sequence[int]) -> bool:
        """Whether the process took the task; it may have died meanwhile."""
        try:
            self.link.setblocking(True)
            send_task(self.link, msgspec.msgpack.encode(task), files)
            self.link.setblocking(False)
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ValueError, AssertionError, AttributeError):
            self.process.kill()
            self.process.join(timeout=5)
        self.link.close()


class QueryProcesses:
    """The processes of one API process. One is always started in advance.

    A process serves one reader, and may serve it again: what one reader's SQL does to a process meets no other reader.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(CONCURRENT)
        self._spare: asyncio.Task[_Started] | None = None
        self._idle: list[tuple[str, _Started, asyncio.TimerHandle]] = []

    @asynccontextmanager
    async def run(
        self, task: QueryTask, files: Sequence[int], on_filled: Callable[[Filled], None]
    ) -> AsyncIterator[Running]:
        """A process that answers the task, to be read frame by frame. It is gone when this is left before the end.

        It gets the files, and `on_filled` is told which of them it has filled.
        """
        async with self._free:
            one, used_s = await self._begin(task, files)
            running = Running(one.process, one.link, task.limits, used_s, on_filled)
            watcher = asyncio.create_task(running.watch(), name="query watcher")
            try:
                yield running
            finally:
                watcher.cancel()
                if running.ended and _private_bytes(one.process.pid) < IDLE_BYTES:
                    self._keep(task.role, one)
                else:
                    await asyncio.shield(asyncio.to_thread(one.end))

    def start_spare(self) -> None:
        """Have one started, if none is; the first of all takes a second, since it loads the engine."""
        if self._spare is None:
            self._spare = asyncio.create_task(asyncio.to_thread(_Started), name="spare process")

    async def _begin(self, task: QueryTask, files: Sequence[int]) -> tuple[_Started, float]:
        """A process that has the task, and how long it took to give it."""
        one = await self._take(task.role)
        started = time.monotonic()
        while not await asyncio.to_thread(one.send, task, files):
            await asyncio.to_thread(one.end)
            one = await asyncio.to_thread(_Started)
        self.start_spare()
        return one, time.monotonic() - started

    async def _take(self, role: str) -> _Started:
        """One that has served the role, the spare, or a new one.

        Whose query is cancelled meanwhile leaves one that ends with its link.
        """
        for position, (served, one, timer) in enumerate(self._idle):
            if served == role:
                del self._idle[position]
                timer.cancel()
                return one
        spare, self._spare = self._spare, None
        if spare is not None:
            with contextlib.suppress(OSError):
                return await asyncio.shield(spare)
        return await asyncio.to_thread(_Started)

    def _keep(self, role: str, one: _Started) -> None:
        """For its next query, if that comes soon; the one that waits longest has to go for it."""
        loop = asyncio.get_running_loop()
        if len(self._idle) >= IDLE:
            self._drop(self._idle[0][1])
        self._idle.append((role, one, loop.call_later(IDLE_S, self._drop, one)))

    def _drop(self, one: _Started) -> None:
        for position, (_, idle, timer) in enumerate(self._idle):
            if idle is one:
                del self._idle[position]
                timer.cancel()
        asyncio.get_running_loop().run_in_executor(None, one.end)

    async def close(self) -> None:
        """End the spare, and those that wait."""
        for _, one, timer in self._idle:
            timer.cancel()
            await asyncio.to_thread(one.end)
        self._idle.clear()
        if self._spare is not None:
            with contextlib.suppress(OSError):
                (await self._spare).end()
            self._spare = None


def _private_bytes(pid: int | None) -> int:
    """Memory of its own: what is mapped from a file is the cache's."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(fields[1]) - int(fields[2])) * resource.getpagesize()
    except (OSError, IndexError):
        return 0
