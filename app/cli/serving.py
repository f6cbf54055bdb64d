"""The API under uvicorn, for `up` and `serve`."""

import logging
import socket
import sys

import click
import uvicorn

from app.asgi import create_app
from app.cli.address import api_url
from app.errors import UnavailableError
from app.settings import Settings


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


def serve_api(settings: Settings, dsn: str, *, with_worker: bool) -> None:
    """Serve until a signal ends it.

    Raises:
        UnavailableError: it did not start; the reason was logged.
    """
    log_to_stderr()
    config = uvicorn.Config(
        create_app(settings, dsn, with_worker=with_worker),
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
        raise UnavailableError("the API did not start; the reason is above") from exc
    if not server.started:
        raise UnavailableError("the API did not start; the reason is above")
