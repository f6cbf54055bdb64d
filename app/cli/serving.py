"""The API under uvicorn, for `up` and `serve`."""

import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
import uvicorn

from app.asgi import create_app
from app.cli.address import api_url
from app.errors import LakewardError, UnavailableError
from app.settings import Settings

#: ASGI's own values: a scope, a message, and what receives or sends one.
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def log_to_stderr() -> None:
    """Warnings and errors go to stderr."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


class _Server(uvicorn.Server):
    """Says where it listens when it does."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            key = self._settings.admin_key_file
            click.echo(f"Lakeward is up at {api_url(self._settings)}   admin key: {key}   Ctrl-C stops it")
            sys.stdout.flush()


class _Starting:
    """The app; when it does not start for a reason of our own, that reason is kept and no traceback is logged."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self.refusal: LakewardError | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: Message | None = None

        async def hold(message: Message) -> None:
            nonlocal failed
            if message["type"] == "lifespan.startup.failed":
                failed = message
            else:
                await send(message)

        try:
            await self._app(scope, receive, hold)
        except BaseException as exc:
            self.refusal = _find_refusal(exc)
            if failed is not None:
                await send({**failed, "message": ""} if self.refusal else failed)
            raise


def _find_refusal(exc: BaseException) -> LakewardError | None:
    if isinstance(exc, BaseExceptionGroup):
        return next(filter(None, map(_find_refusal, exc.exceptions)), None)
    return exc if isinstance(exc, LakewardError) else None


def serve_api(settings: Settings, dsn: str, *, with_worker: bool) -> None:
    """Serve until a signal ends it.

    Raises:
        LakewardError: why it did not start; an UnavailableError when the reason was logged.
    """
    log_to_stderr()
    app = _Starting(create_app(settings, dsn, with_worker=with_worker))
    config = uvicorn.Config(
        app,
        host=settings.api.host,
        port=settings.api.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, settings)
    try:
        server.run()
    except KeyboardInterrupt:
        # uvicorn raises the signal again once it has stopped in order; that is how a server is meant to end
        if not server.started:
            raise
    except SystemExit as exc:
        raise app.refusal or UnavailableError("the API did not start; the reason is above") from exc
    if not server.started:
        raise app.refusal or UnavailableError("the API did not start; the reason is above")
