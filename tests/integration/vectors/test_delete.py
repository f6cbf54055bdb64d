"""An index that is being searched is deleted at once: its searches are answered, or say that it is not there."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest

from app.settings import AuditSettings, PoolSettings
from tests.integration.api.conftest import Api, serving, settings_for

SEARCHERS, TIMES = 6, 4


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """Notes and a reader of them; questions are kept, which takes locks of its own."""
    with clone() as deployed:
        settings = msgspec.structs.replace(
            settings_for(deployed),
            audit=AuditSettings(keep_questions=100),
            pool=PoolSettings(min_size=1, max_size=10, timeout_s=10),
        )
        with serving(deployed, settings) as running:
            lines = "\n".join(f"{n},red note {n * 7919}" for n in range(800))
            assert running.ingest("notes", f"id,note\n{lines}\n", row_key="id").status_code == 201
            running.profile("reader", "notes")
            yield running


class Searching:
    """Readers who search until it is over, and what they were told: of a deadlock somebody is told 503."""

    def __init__(self, api: Api) -> None:
        self.told: Counter[tuple[int, str | None]] = Counter()
        self._over = threading.Event()
        key = api.reader("reader").headers["x-api-key"]
        self._threads = [threading.Thread(target=self._search, args=(api, key, n)) for n in range(SEARCHERS)]
        for thread in self._threads:
            thread.start()

    def _search(self, api: Api, key: str, number: int) -> None:
        count = 0
        with api.client(key) as client:
            while not self._over.is_set():
                count += 1
                request = {"index": "gone", "query": f"red {number} {count}", "k": 50}
                answer = client.post("/vectors/profile/reader/search", json=request)
                self.told[answer.status_code, answer.json().get("code")] += 1

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_searches_and_the_deletion_do_not_wait_for_each_other(api: Api) -> None:
    told: Counter[tuple[int, str | None]] = Counter()
    for _ in range(TIMES):
        api.index("notes", "note", name="gone")
        searching = Searching(api)
        try:
            time.sleep(0.5)
            answer = api.admin.delete("/vectors/indexes/gone")
            time.sleep(0.1)
        finally:
            searching.end()
        assert answer.status_code == 200, answer.text
        told += searching.told
    assert set(told) == {(200, None), (404, "not_found")}, told


def test_the_questions_are_deleted_while_they_are_kept(api: Api) -> None:
    api.index("notes", "note", name="gone")
    searching = Searching(api)
    try:
        deleted = 0
        for _ in range(30):
            answer = api.admin.delete("/vectors/hnsw/evals/asked:gone")
            assert answer.status_code in (200, 404), answer.text
            deleted += answer.status_code == 200
    finally:
        searching.end()
        api.admin.delete("/vectors/indexes/gone")
    assert deleted > 1
    assert set(searching.told) == {(200, None)}, searching.told
