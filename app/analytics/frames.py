"""What a query's process sends: frames, each with a head that says how many rows of the answer are in it.

The last frame says so, and whether there are more rows than were asked for. A frame that failed holds an error instead.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import pyarrow as pa

from app import errors
from app.analytics.cache_models import Filled
from app.errors import InternalError, LakewardError

#: Bytes of an answer; Arrow's own buffers are sent without a copy.
Piece: TypeAlias = bytes | bytearray | memoryview | pa.Buffer

#: Relations of one query that the cache knows; the system takes 253 files in one message.
MAX_FILES = 200
_HEAD = struct.Struct("<BQQ")
_LAST, _TRUNCATED, _FAILED, _FILLED = 1, 2, 4, 8


class Frame(msgspec.Struct, frozen=True):
    """A piece of an answer."""

    rows: int
    body: bytearray
    last: bool = False
    truncated: bool = False


class _Failure(msgspec.Struct, frozen=True):
    code: str
    message: str


def send_task(link: socket.socket, task: bytes, files: Sequence[int]) -> None:
    """What the process is to do, with files that are open here; it is asked once."""
    head = struct.pack("<Q", len(task))
    if files:
        socket.send_fds(link, [head], files)
    else:
        link.sendall(head)
    link.sendall(task)


def receive_task(link: socket.socket) -> tuple[bytes, list[int]]:
    """In the process: waits for it. The files are open here, too."""
    head, files, _, _ = socket.recv_fds(link, 8, MAX_FILES)
    if len(head) < 8:
        raise EOFError
    (length,) = struct.unpack("<Q", head)
    return bytes(_read(link, length)), files


def _read(link: socket.socket, length: int) -> bytearray:
    body = bytearray(length)
    view = memoryview(body)
    while view:
        count = link.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return body


def send_rows(
    link: socket.socket, rows: int, pieces: Sequence[Piece], *, last: bool = False, truncated: bool = False
) -> None:
    """Blocks while whoever reads them is slower: nothing piles up but what the socket holds."""
    sizes = [memoryview(piece).nbytes for piece in pieces]
    flags = (_LAST if last else 0) | (_TRUNCATED if truncated else 0)
    link.sendall(_HEAD.pack(flags, rows, sum(sizes)))
    for piece in pieces:
        link.sendall(piece)


def send_failure(link: socket.socket, error: LakewardError) -> None:
    """Instead of a frame: nothing comes after it."""
    body = msgspec.msgpack.encode(_Failure(code=error.code, message=error.message))
    link.sendall(_HEAD.pack(_FAILED, 0, len(body)) + body)


def send_filled(link: socket.socket, filled: Filled) -> None:
    """A file of the task is filled and sealed: the cache may keep it. Comes before the first rows."""
    body = msgspec.msgpack.encode(filled)
    link.sendall(_HEAD.pack(_FILLED, 0, len(body)) + body)


async def receive_frame(link: socket.socket) -> Frame | Filled:
    """The next frame.

    Raises:
        LakewardError: the query failed.
        EOFError, OSError: the process has ended without a word.
    """
    flags, rows, length = _HEAD.unpack(await _receive(link, _HEAD.size))
    body = await _receive(link, length)
    if flags & _FAILED:
        raise _to_error(msgspec.msgpack.decode(body, type=_Failure))
    if flags & _FILLED:
        return msgspec.msgpack.decode(body, type=Filled)
    return Frame(rows=rows, body=body, last=bool(flags & _LAST), truncated=bool(flags & _TRUNCATED))


async def _receive(link: socket.socket, length: int) -> bytearray:
    loop = asyncio.get_running_loop()
    body = bytearray(length)
    view = memoryview(body)
    while view:
        count = await loop.sock_recv_into(link, view)
        if not count:
            raise EOFError
        view = view[count:]
    return body


def _to_error(failure: _Failure) -> LakewardError:
    kinds: dict[str, type[LakewardError]] = {
        kind.code: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, LakewardError)
    }
    return kinds.get(failure.code, InternalError)(failure.message)
