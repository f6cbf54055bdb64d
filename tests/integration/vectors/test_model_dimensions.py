"""A model that answers vectors of another length than its index has fails alone, and only while it does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec
import pytest

from app.models.fake import FakeEmbedder
from app.settings import ModelSettings, ModelsSettings, Settings
from tests.integration.api.conftest import Api, problem, serving, settings_for

RIGHT, WRONG = 8, 9


class Provider(ThreadingHTTPServer):
    """Answers POST /embeddings with vectors of `dimensions`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.dimensions = RIGHT


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count = FakeEmbedder(self.server.dimensions)._count_words
        data = [{"index": n, "embedding": count(text)} for n, text in enumerate(body["input"])]
        content = json.dumps({"data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(deployed: Any, provider: Provider) -> Settings:
    """The provider's model is that of new indexes."""
    url = f"http://127.0.0.1:{provider.server_address[1]}"
    model = ModelSettings(provider="openai", model="m", url=url, timeout_s=5, retries=0)
    return msgspec.structs.replace(settings_for(deployed), models=ModelsSettings(embed=model))


def search(api: Api, query: str) -> httpx.Response:
    return api.admin.post("/vectors/search", json={"index": "rows_v1", "query": query})


def failed(answer: httpx.Response) -> None:
    detail = problem(answer, 502, "provider_failed")["detail"]
    assert f"vectors of {WRONG} dimensions, and {RIGHT} are needed" in detail


def test_a_wrong_answer_is_the_models_failure_and_is_not_remembered(
    deployed: Any, settings: Settings, provider: Provider
) -> None:
    with serving(deployed, settings) as api:
        assert api.ingest("rows", "id,text\n1,blue\n2,green\n", row_key="id").status_code == 201
        api.index("rows", "text")
        assert search(api, "blue").status_code == 200
        # in the middle of its life
        provider.dimensions = WRONG
        failed(search(api, "green"))
        failed(search(api, "green"))
        provider.dimensions = RIGHT
        assert search(api, "green").status_code == 200
    # from the first question on
    provider.dimensions = WRONG
    with serving(deployed, settings) as api:
        failed(search(api, "blue"))
        embedded = api.admin.post("/ai/embed", json={"texts": ["blue"]}).json()
        assert embedded["dimensions"] == WRONG == len(embedded["vectors"][0])
        provider.dimensions = RIGHT
        found = search(api, "blue")
        assert found.status_code == 200, found.text
        assert found.json()["hits"][0]["doc_key"] == "1"
        assert api.admin.post("/ai/embed", json={"texts": ["blue"]}).json()["dimensions"] == RIGHT
        api.index("rows", "text", name="rows_v2")
        assert api.admin.get("/vectors/indexes/rows_v2").json()["dimensions"] == RIGHT


def test_an_index_after_a_wrong_first_answer_has_what_the_model_answers_now(
    deployed: Any, settings: Settings, provider: Provider
) -> None:
    with serving(deployed, settings) as api:
        assert api.ingest("rows", "id,text\n1,blue\n", row_key="id").status_code == 201
        provider.dimensions = WRONG
        assert api.admin.get("/ai/models").json()["items"][0]["dimensions"] == WRONG
        provider.dimensions = RIGHT
        api.index("rows", "text")
        assert api.admin.get("/vectors/indexes/rows_v1").json()["dimensions"] == RIGHT
        assert search(api, "blue").status_code == 200
