"""A server that answers what it is told to, and the command line run against it in this process."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.cli.main import main


class Request(msgspec.Struct, frozen=True):
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class FakeServer:
    """Answers by method and path; a list of answers is given out one by one, the last one again and again."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[tuple[int, bytes, dict[str, str]]]] = {}
        self.requests: list[Request] = []
        self.url = ""

    def answer(
        self, method: str, path: str, document: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Add an answer; bytes go out as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers.setdefault((method, path), []).append((status, body, headers or {}))

    def problem(self, method: str, path: str, status: int, code: str, detail: str, **extra: Any) -> None:
        """Add a problem document."""
        document = {"type": "x", "title": "x", "status": status, "code": code, "detail": detail, **extra}
        self.answer(method, path, document, status)

    @property
    def last(self) -> Request:
        """The request that came last."""
        return self.requests[-1]


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A fake server on a port of its own."""
    server = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.requests.append(
                Request(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            )
            known = server.answers.get((self.command, self.path.split("?")[0]))
            if known is None:
                known = [(404, b'{"detail": "no such thing", "code": "not_found", "status": 404}', {})]
            status, content, headers = known.pop(0) if len(known) > 1 else known[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one

        def log_message(self, *_: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    yield server
    httpd.shutdown()
    httpd.server_close()


class Outcome(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(
    fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """`run("dataset", "list")`: the command against the fake server, with a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LAKEWARD_URL", fake.url)
    monkeypatch.setenv("LAKEWARD_API_KEY", "lw_test_key")
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["lakeward", *arguments])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = int(exc.code or 0)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


def make_job(state: str, done: int = 0, **changes: Any) -> dict[str, Any]:
    """A job as the API shows it."""
    return {
        "id": "j1",
        "kind": "index",
        "subject": "notes_v1",
        "state": state,
        "progress": {"done": done, "total": 10, "unit": "rows", "rate": 5.0, "eta_s": 1.0},
        "error": None,
        "result": {"rows": 10, "chunks": 12, "index": "notes_v1"} if state == "succeeded" else None,
        "created_at": "2026-01-02T03:04:05Z",
        "started_at": None,
        "finished_at": None,
        "attempts": 1,
        **changes,
    }


@pytest.fixture
def job() -> Callable[..., dict[str, Any]]:
    """`job("running", 5)`."""
    return make_job
