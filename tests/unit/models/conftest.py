"""A real HTTP server that answers what a test scripts, and misbehaves on purpose."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest


class Request(NamedTuple):
    """One request that the server saw."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float


@dataclass
class Answer:
    """One answer: `body` is sent as it is when bytes, else as JSON; `cut` closes in the middle of it."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drip_s: float = 0.0
    cut: bool = False


class Server:
    """Gives the scripted answers in order, the last one for ever; a body may be a function of the request."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[Request] = []
        self.url = ""

    def then(self, body: Any = b"", **how: Any) -> "Server":
        """Add an answer to the script."""
        self.script.append(Answer(body, **how))
        return self

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        entry = self.script[min(len(self.requests), len(self.script)) - 1]
        return replace(entry, body=entry.body(request)) if callable(entry.body) else entry


@pytest.fixture
def server() -> Iterator[Server]:
    """A scripted server on a free port of the loopback."""
    script = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = script.answer(Request(self.command, self.path, headers, body, time.monotonic()))
            time.sleep(answer.delay_s)
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self._send(content, answer)
            except OSError:  # the client gave up, as it should
                self.close_connection = True

        def _send(self, content: bytes, answer: Answer) -> None:
            if answer.cut:
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            elif answer.drip_s:
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(answer.drip_s)
            else:
                self.wfile.write(content)

        do_GET = do_POST = _handle

        def log_message(self, *_: object) -> None:
            """Silence."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{httpd.server_port}"
    yield script
    httpd.shutdown()
    httpd.server_close()
    thread.join(5)
