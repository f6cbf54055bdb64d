"""A process of its own for each reader: what a reader's SQL does to it, it does to nobody else.

The engine keeps to its limits while it runs operators, not while it plans or computes one value: `select 1` + 40,000
times `+1` ends the process, `array_repeat(1, 1000000000)` takes 16 GB. So the query, its export and its answer live in
a process that is forked for it (app/analytics/processes.py), may use so much memory and no more, and is killed at its
deadline. The answer leaves it a batch at a time, in the format that was asked for.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
from collections.abc import Sequence

import msgspec

from app.analytics.engine import Rows, run_query
from app.analytics.export import arrow_schema
from app.analytics.formats import Answer
from app.analytics.frames import Piece, receive_task, send_failure, send_rows
from app.analytics.memory_file import read_memory_file
from app.analytics.models import QueryTask
from app.analytics.mount import Mount
from app.analytics.translate import TOO_LARGE
from app.analytics.warm_up import warm_up
from app.delta.govern import govern, hidden_by
from app.errors import InternalError, InvalidQueryError, LakewardError

RESERVED_BYTES = 6 * 1024**3
#: What the allocator reserves for a thread. The engine looks at many files at once, each in a thread, up to so many.
THREAD_BYTES, THREADS = 32 * 1024**2, 512
#: A frame is sent when it has so many bytes, or when the next batch takes longer than this.
FRAME_BYTES = 1024 * 1024
PATIENCE_S = 0.1


def serve(link: socket.socket) -> None:
    """The child: tasks in, their answers out as frames, until nobody asks any more. All of them are one reader's."""
    # Ctrl-C is for the server, which ends its children itself
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link.setblocking(True)
    # a process that cannot do it can still try the query
    with contextlib.suppress(Exception):
        warm_up()
    threads = 0
    # nobody reads any more: whoever started this process has gone
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            body, files = receive_task(link)
            try:
                task = msgspec.msgpack.decode(body, type=QueryTask)
                # those of the last query are still there, and what they hold counts
                threads = max(threads, min(sum(len(relation.uris) for relation in task.files), THREADS))
                _limit(threads, task.limits.memory_bytes)
                _answer_task(task, files, link)
            finally:
                for file in files:
                    os.close(file)


def _limit(threads: int, memory_bytes: int) -> None:
    # allocators reserve far more than they use, so this is only the net under the watcher, for one huge allocation
    limit = RESERVED_BYTES + threads * THREAD_BYTES + 3 * memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _answer_task(task: QueryTask, files: Sequence[int], link: socket.socket) -> None:
    try:
        asyncio.run(_run(task, files, link))
    except LakewardError as exc:
        send_failure(link, exc)
    except MemoryError:
        send_failure(link, InvalidQueryError(TOO_LARGE))
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception:
        send_failure(link, InternalError("an internal error; the server's log has the details"))
        raise


async def _run(task: QueryTask, files: Sequence[int], link: socket.socket) -> None:
    cached = {item.name: files[item.position] for item in task.cached}
    # what is cached needs no look at its files
    missing = [relation for relation in task.files if relation.name not in cached]
    frames = await asyncio.to_thread(govern, missing)
    schemas = {relation.name: arrow_schema(relation) for relation in task.relations}
    schemas |= {name: frame.schema() for name, frame in frames.items()}
    schemas |= {
        relation.name: read_memory_file(cached[relation.name]).schema
        for relation in task.files
        if relation.name in cached
    }
    hiding = {
        relation.name: columns for relation in task.files if (columns := hidden_by(relation)) is not None
    }
    rows = await run_query(task.sql, schemas, hiding, Mount(task, files, frames, link), task.limits)
    await _answer(rows, task.media_type, link)


async def _answer(rows: Rows, media_type: str, link: socket.socket) -> None:
    """Batches are put together to frames; one that is ready does not wait long for the next."""
    batch = await rows.next()
    answer = Answer(media_type, rows.planned if batch is None else batch.schema)
    held: list[Piece] = list(answer.begin())
    count = 0
    while batch is not None:
        following = asyncio.ensure_future(rows.next())
        held += answer.rows(batch)
        count += batch.num_rows
        if not following.done():
            await asyncio.wait([following], timeout=PATIENCE_S)
        if not following.done() or sum(memoryview(piece).nbytes for piece in held) >= FRAME_BYTES:
            send_rows(link, count, held)
            held, count = [], 0
        batch = await following
    held += answer.end(truncated=rows.truncated)
    send_rows(link, count, held, last=True, truncated=rows.truncated)
