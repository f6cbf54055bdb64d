"""up, migrate, serve, worker, doctor: what runs on the machine of the database or of the API."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from app.errors import LakewardError, UnavailableError
from app.settings import Settings, load_settings

HOME = click.option("--home", type=click.Path(path_type=Path), help="Where everything is kept. [~/.lakeward]")
HOST = click.option("--host", help="Address the API listens on. [127.0.0.1]")
PORT = click.option("--port", type=int, help="Port the API listens on. [8642]")


def _settings(home: Path | None, host: str | None = None, port: int | None = None) -> Settings:
    overrides: dict[str, Any] = {"home": home, "api.host": host, "api.port": port}
    return load_settings(**overrides)


@click.command()
@HOME
@HOST
@PORT
def up(home: Path | None, host: str | None, port: int | None) -> None:
    """Start everything on this machine: the embedded Postgres (or LAKEWARD_DATABASE_URL), the API and the worker.

    The first start makes the home, migrates and writes the first admin key. The embedded Postgres is started again when
    it is gone. Ctrl-C stops all of it.
    """
    from app.cli.address import api_url
    from app.cli.serving import serve_api
    from app.db.embedded_watch import keep_running
    from app.db.home_lock import HomeLock
    from app.db.migrate import migrate as migrate_database
    from app.db.target import open_target, service_dsn

    settings = _settings(home, host, port)
    lock = HomeLock(settings.home)
    lock.acquire(api_url(settings))
    target = None
    try:
        with _sigterm_as_interrupt():
            target = open_target(settings)
            migrate_database(target.admin_dsn, settings.home)
            with keep_running(target.server):
                serve_api(settings, service_dsn(settings, target.admin_dsn), with_worker=True)
    finally:
        if target is not None and target.server is not None:
            target.server.stop()
        lock.release()


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Before uvicorn takes over the signals, and after it, SIGTERM ends the process in order too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.command()
@HOME
def migrate(home: Path | None) -> None:
    """Bring the database to this version: all or nothing, and nothing when it is there already."""
    from app.db.migrate import head_revision
    from app.db.migrate import migrate as migrate_database
    from app.db.target import open_target

    settings = _settings(home)
    deployment = migrate_database(open_target(settings).admin_dsn, settings.home)
    click.echo(f"at revision {head_revision()}; roles are {deployment.prefix}_*")


def _dsn(settings: Settings) -> str:
    from app.db.target import open_target, service_dsn

    return service_dsn(settings, open_target(settings).admin_dsn)


@click.command()
@HOME
@HOST
@PORT
def serve(home: Path | None, host: str | None, port: int | None) -> None:
    """Run the API alone; `lakeward migrate` comes first, `lakeward worker` runs beside it."""
    settings = _settings(home, host, port)
    from app.cli.serving import serve_api

    with _sigterm_as_interrupt():
        serve_api(settings, _dsn(settings), with_worker=False)


@click.command()
@HOME
def worker(home: Path | None) -> None:
    """Run background jobs until Ctrl-C; several workers share the work."""
    from app.cli.serving import log_to_stderr
    from app.worker import run_worker

    settings = _settings(home)
    log_to_stderr()

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await run_worker(settings, _dsn(settings))

    click.echo("worker: waiting for jobs; Ctrl-C stops it")
    asyncio.run(run())


@click.command()
@HOME
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON.")
def doctor(home: Path | None, as_json: bool) -> None:
    """Check the server, the migrations and every governance rule; exit code 1 when something is wrong."""
    from app.cli.doctor import check, render

    try:
        report = asyncio.run(check(_settings(home)))
    except LakewardError as exc:
        raise UnavailableError(f"cannot check: {exc.message}") from exc
    click.echo(render(report, as_json=as_json))
    if not report.ok:
        sys.exit(1)
