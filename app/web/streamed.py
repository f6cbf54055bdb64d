"""An answer that is sent while it is computed, to a client that may go away or stop reading.

Nothing of the response is sent before its first piece is there, so what goes wrong until then is a problem document
with its status. What goes wrong later, and has no place in the format, breaks the response off: without its last chunk
no HTTP client takes it for complete.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send

from app.errors import LakewardError

#: A client that takes a megabit a second does not use up the patience with it.
BYTES_PER_S = 128 * 1024
log = logging.getLogger(__name__)


class Streaming(Protocol):
    """What is sent: pieces, and headers that are known when the first piece is."""

    def headers(self) -> dict[str, str]:
        """Headers of the response."""

    def pieces(self) -> AsyncIterator[bytes | bytearray]:
        """The body."""


class StreamedResponse(Response[bytes]):
    """`open_body` begins the work and stops it when it is left. `patience_s` is how long a client may not read."""

    def __init__(
        self,
        open_body: Callable[[], AbstractAsyncContextManager[Streaming]],
        *,
        media_type: str,
        patience_s: float,
    ) -> None:
        super().__init__(b"", media_type=media_type)
        self._open_body = open_body
        self._media_type = media_type
        self._patience_s = patience_s

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The response itself."""
        return self._respond

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.create_task(self._send(send), name="streamed response")
        gone = asyncio.create_task(_wait_for_disconnect(receive), name="disconnect")
        try:
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait([work])

    async def _send(self, send: Send) -> None:
        async with self._open_body() as body:
            pieces = body.pieces()
            piece = await anext(pieces)
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", self._media_type.encode()),
                        *((name.lower().encode(), value.encode()) for name, value in body.headers().items()),
                    ],
                }
            )
            try:
                taking = _Taking(send, self._patience_s)
                await taking.send(piece)
                async for piece in pieces:
                    await taking.send(piece)
            except TimeoutError:
                log.warning("a client did not read its answer for %s s; it was stopped", self._patience_s)
                return
            except LakewardError as exc:
                log.warning("an answer broke off: %s", exc.message)
                return
            # the client has it all: it need not wait until the work is cleaned away
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Taking:
    """Sends pieces, and knows how long the client took for them."""

    def __init__(self, send: Send, patience_s: float) -> None:
        self._send = send
        self._patience_s = self._left_s = patience_s

    async def send(self, piece: bytes | bytearray) -> None:
        """Raises TimeoutError when the client has used up its time."""
        started = time.monotonic()
        async with asyncio.timeout(self._left_s):
            # servers take a bytearray as it is; a copy of each piece would be one too many
            await self._send({"type": "http.response.body", "body": cast(bytes, piece), "more_body": True})
        left_s = self._left_s + len(piece) / BYTES_PER_S - (time.monotonic() - started)
        self._left_s = min(self._patience_s, left_s)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
