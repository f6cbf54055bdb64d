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
from app.errors import InternalError, LakewardError

#: Bytes of an answer; Arrow's own buffers are sent without a copy.
Piece: TypeAlias = bytes | bytearray | memoryview | pa.Buffer

_HEAD = struct.Struct("<BQQ")
_LAST, _TRUNCATED, _FAILED = 1, 2, 4


class Frame(msgspec.Struct, frozen=True):
    """A piece of an answer."""

    rows: int
    body: bytearray
    last: bool = False
    truncated: bool = False


class _Failure(msgspec.Struct, frozen=True):
    code: str
    message: str


def send_task(link: socket.socket, task: bytes) -> None:
    """What the process is to do; it is asked once."""
    link.sendall(struct.pack("<Q", len(task)) + task)


def receive_task(link: socket.socket) -> bytes:
    """In the process: waits for it."""
    (length,) = struct.unpack("<Q", _read(link, 8))
    return bytes(_read(link, length))


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


async def receive_frame(link: socket.socket) -> Frame:
    """The next frame.

    Raises:
        LakewardError: the query failed.
        EOFError, OSError: the process has ended without a word.
    """
    flags, rows, length = _HEAD.unpack(await _receive(link, _HEAD.size))
    body = await _receive(link, length)
    if flags & _FAILED:
        raise _to_error(msgspec.msgpack.decode(body, type=_Failure))
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
