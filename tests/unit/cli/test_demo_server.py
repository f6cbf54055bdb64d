import socket

import pytest

from app.cli.demo_server import running_server
from app.db.home_lock import HomeLock
from app.errors import UnavailableError
from app.settings import ApiSettings, Settings


@pytest.fixture(autouse=True)
def no_names(monkeypatch):
    monkeypatch.delenv("LAKEWARD_URL", raising=False)


def test_the_server_that_runs_is_used(fake, tmp_path):
    fake.answer("GET", "/health", {"status": "ok"})
    lock = HomeLock(tmp_path)
    lock.acquire(fake.url)
    try:
        with running_server(Settings(home=tmp_path)) as started:
            assert not started
    finally:
        lock.release()


def test_a_server_that_was_named_and_is_away_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEWARD_URL", "http://127.0.0.1:9")
    with (
        pytest.raises(UnavailableError, match="no Lakeward is running"),
        running_server(Settings(home=tmp_path)),
    ):
        pass


def test_one_that_does_not_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEWARD_DATABASE_URL", "postgresql://127.0.0.1:9/none")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = Settings(
            home=tmp_path,
            database_url="postgresql://127.0.0.1:9/none",
            api=ApiSettings(port=taken.getsockname()[1]),
        )
        with (
            pytest.raises(UnavailableError, match=r"ended with status 1:\nlakeward: .*reached"),
            running_server(settings),
        ):
            pass
