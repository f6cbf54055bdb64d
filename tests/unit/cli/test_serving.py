"""An API that does not start says why in one line, and shows a traceback only for what nobody foresaw."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from app.cli import serving
from app.errors import UnavailableError
from app.settings import ApiSettings, Settings

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing"


def start(home: Path, port: int = 0) -> None:
    """Serve a database that is not there."""
    serving.serve_api(Settings(home=home, api=ApiSettings(port=port)), NOBODY, with_worker=False)


def test_a_reason_of_our_own_is_the_error_and_no_traceback_is_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    with pytest.raises(UnavailableError, match="Postgres cannot be reached"):
        start(tmp_path)
    assert "Traceback" not in capfd.readouterr().err


def test_what_nobody_foresaw_is_logged_in_full(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr("app.asgi.open_database", broken)
    with pytest.raises(UnavailableError, match="the reason is above"):
        start(tmp_path)
    assert "ZeroDivisionError: unforeseen" in capfd.readouterr().err


def test_a_port_that_is_taken_is_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    async def app(scope: dict[str, object], receive: serving.Receive, send: serving.Send) -> None:
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})

    monkeypatch.setattr(serving, "create_app", lambda *_, **__: app)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(UnavailableError, match="did not start; the reason is above"),
    ):
        start(tmp_path, taken.getsockname()[1])
    said = capfd.readouterr().err
    assert "address already in use" in said
    assert "Traceback" not in said
