"""An API with two models of the same length: the fake one, and another behind the protocol of Ollama."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from app.models.fake import FakeEmbedder
from app.settings import ModelSettings, ModelsSettings
from tests.integration.api.conftest import Api, serving, settings_for
from tests.integration.trials.conftest import notes

ROWS = 300


class Ollama:
    """A server of one model, `other`: the fake one's vectors backwards, so that the two have nothing in common.

    `fails` is how many calls from now on are answered with 500, `spare` how many before that are not. `lie` makes its
    vectors say nothing of the text. While it is not `open`, several texts at once are not answered.
    """

    def __init__(self) -> None:
        self.fails = 0
        self.spare = 0
        self.open = threading.Event()
        self.open.set()
        self.lie = False
        self.calls = 0
        outer = self
        fake = FakeEmbedder()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self, body: Any, status: int = 200) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                self._answer({"models": [{"name": "other:latest", "digest": "b" * 64}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.calls += 1
                if len(body["input"]) > 1:
                    outer.open.wait(60)
                if outer.fails and not outer.spare:
                    outer.fails -= 1
                    return self._answer({"error": "out of memory"}, 500)
                outer.spare = max(0, outer.spare - 1)
                texts = ["same"] * len(body["input"]) if outer.lie else body["input"]
                vectors = asyncio.run(fake.embed(texts))[:, ::-1]
                if outer.lie:
                    vectors = vectors + 1e-3 * asyncio.run(fake.embed([str(len(t)) for t in body["input"]]))
                return self._answer({"embeddings": vectors.tolist()})

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def ollama() -> Iterator[Ollama]:
    """The other model's server."""
    running = Ollama()
    yield running
    running.server.shutdown()


@pytest.fixture(scope="module")
def swapping(clone: Callable[[], AbstractContextManager[Any]], ollama: Ollama) -> Iterator[Api]:
    """The module's API: notes, `notes_v1` under `fake`, and the profile `reader` with its graph."""
    with clone() as deployed:
        other = ModelSettings(provider="ollama", model="other", url=ollama.url, retries=0, timeout_s=10)
        models = ModelsSettings(embed=ModelSettings(provider="fake"), embedders=[other])
        with serving(deployed, msgspec.structs.replace(settings_for(deployed), models=models)) as api:
            assert api.ingest("notes", notes(ROWS), row_key="id").status_code == 201
            api.index("notes", "t", name="notes_v1")
            api.profile("reader", "notes")
            yield api
