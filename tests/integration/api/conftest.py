"""A real server for a test module: uvicorn in a thread over a database of its own, with worker and fake model."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn

from app.asgi import create_app
from app.settings import ApiSettings, ModelSettings, ModelsSettings, PoolSettings, QuerySettings, Settings


class Api(msgspec.Struct, frozen=True):
    """A running API: an admin's client, a factory for readers' clients, and the database behind it."""

    url: str
    admin: httpx.Client
    deployed: Any
    settings: Settings

    def reader(self, profile: str) -> httpx.Client:
        """A client with a key of this profile's own."""
        answer = self.admin.post("/access/keys", json={"name": profile, "kind": "reader", "profile": profile})
        assert answer.status_code == 201, answer.text
        return self.client(answer.json()["key"])

    def client(self, key: str | None) -> httpx.Client:
        """A client with this key, or none."""
        headers = {"X-API-Key": key} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def ingest(
        self, dataset: str, content: bytes | str, filename: str = "rows.csv", **form: str
    ) -> httpx.Response:
        """Send a file as the admin."""
        data = content.encode() if isinstance(content, str) else content
        return self.admin.post(
            "/ingest/file", files={"file": (filename, data)}, data={"dataset": dataset, **form}
        )

    def wait(self, job_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """The job when it has ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.admin.get(f"/vectors/jobs/{job_id}").json()
            if job["state"] in ("succeeded", "failed", "cancelled"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"job {job_id} did not end in {timeout_s} s: {job}")

    def index(self, source: str, *columns: str, **fields: Any) -> str:
        """Build an index and answer its name."""
        answer = self.admin.post(
            "/vectors/index", json={"source": source, "text_columns": list(columns), **fields}
        )
        assert answer.status_code == 202, answer.text
        job = self.wait(answer.json()["job_id"])
        assert job["state"] == "succeeded", job
        name: str = answer.json()["index"]
        return name

    def profile(self, profile: str, *relations: str, **fields: Any) -> None:
        """Create or update a profile."""
        answer = self.admin.post(
            "/catalog/profiles", json={"id": profile, "bound_datasets": list(relations), **fields}
        )
        assert answer.status_code in (200, 201), answer.text


def settings_for(deployed: Any) -> Settings:
    """Small limits, a deterministic model, any free port."""
    return Settings(
        home=deployed.home,
        database_url=deployed.dsn,
        api=ApiSettings(port=0, max_body_bytes=8 * 1024 * 1024),
        models=ModelsSettings(embed=ModelSettings(provider="fake")),
        pool=PoolSettings(min_size=1, max_size=4, timeout_s=3),
        query=QuerySettings(timeout_ms=5_000, max_rows=1_000, memory_bytes=256 * 1024 * 1024),
    )


@contextmanager
def serving(deployed: Any, settings: Settings) -> Iterator[Api]:
    """The API while it runs."""
    app = create_app(settings, deployed.service_dsn, with_worker=True)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the API did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    key = settings.admin_key_file.read_text().strip()
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as admin:
        yield Api(url=url, admin=admin, deployed=deployed, settings=settings)
    server.should_exit = True
    thread.join(timeout=15)
    assert not thread.is_alive(), "the API did not stop"


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """The module's API."""
    with clone() as deployed, serving(deployed, settings_for(deployed)) as running:
        yield running


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document, when the answer is that problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status and document["title"] and document["detail"]
    return document
