"""What one end sends the other gets; an end that is gone is told from an answer that has ended."""

import asyncio
import os
import socket
import tempfile
import threading

import pytest

from app.analytics.frames import Frame, receive_frame, receive_task, send_failure, send_rows, send_task
from app.errors import InternalError, InvalidQueryError, LakewardError


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        yield here, there


async def test_frames_arrive_in_order_and_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    large = bytes(range(256)) * 40_000

    def send() -> None:
        send_rows(there, 3, [b"a", memoryview(large)])
        send_rows(there, 0, [], last=True, truncated=True)

    sending = threading.Thread(target=send)
    sending.start()
    assert await receive_frame(here) == Frame(rows=3, body=bytearray(b"a" + large))
    assert await receive_frame(here) == Frame(rows=0, body=bytearray(), last=True, truncated=True)
    sending.join()


async def test_who_does_not_read_stops_who_sends(ends: tuple[socket.socket, socket.socket]) -> None:
    _, there = ends
    there.settimeout(0.2)
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(send_rows, there, 1, [bytes(50_000_000)])


@pytest.mark.parametrize("error", [InvalidQueryError("no such column"), InternalError("a fault")])
async def test_a_failure_is_raised_as_what_it_was(
    ends: tuple[socket.socket, socket.socket], error: LakewardError
) -> None:
    here, there = ends
    send_failure(there, error)
    with pytest.raises(type(error), match=error.message):
        await receive_frame(here)


async def test_an_end_that_is_gone_is_no_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    there.sendall(b"\0\0\0")
    there.close()
    with pytest.raises(EOFError):
        await receive_frame(here)


async def test_a_task_arrives(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    here.setblocking(True)
    with tempfile.TemporaryFile() as file:
        file.write(b"shared")
        file.flush()
        send_task(here, b"task" * 1000, [file.fileno()])
    body, [copy] = receive_task(there)
    assert body == b"task" * 1000 and os.pread(copy, 10, 0) == b"shared"
    os.close(copy)
    send_task(here, b"alone", [])
    assert receive_task(there) == (b"alone", [])
