"""A model change from one provider to another, under load, and back."""

import threading
from typing import Any

from tests.integration.api.conftest import Api
from tests.integration.trials.conftest import notes
from tests.integration.versions.conftest import ROWS, Ollama

TEXTS = [line.split(",", 1)[1] for line in notes(ROWS).splitlines()[1:]]


def change(api: Api, verb: str, **body: Any) -> dict[str, Any]:
    """The job, when it has ended."""
    answer = api.admin.post(f"/vectors/indexes/notes_v1/{verb}", json=body or None)
    assert answer.status_code == 202, answer.text
    return api.wait(answer.json()["job_id"])


def swapped(api: Api, **body: Any) -> dict[str, Any]:
    """What a swap that succeeds answers."""
    job = change(api, "swap", **body)
    assert job["state"] == "succeeded", job
    return job["result"]


def index(api: Api) -> dict[str, Any]:
    """The index."""
    found: dict[str, Any] = api.admin.get("/vectors/indexes/notes_v1").json()
    return found


class Load:
    """Searches for the rows' own texts, again and again, by several at once."""

    def __init__(self, api: Api, clients: int = 4) -> None:
        self.answers: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        keys = [api.reader("reader") for _ in range(clients)]
        self._threads = [threading.Thread(target=self._ask, args=(key, n)) for n, key in enumerate(keys)]

    def _ask(self, client: Any, place: int) -> None:
        while not self._stop.is_set():
            place = (place + 7) % ROWS
            answer = client.post(
                "/vectors/profile/reader/search", json={"index": "notes_v1", "query": TEXTS[place], "k": 5}
            )
            if answer.status_code != 200:
                self.failed.append(answer.text)
            else:
                self.answers.append({**answer.json(), "wanted": str(place)})

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def check(self) -> None:
        """Every answer is right, and by one model: under its own a text is at no distance from itself."""
        assert self.failed == []
        assert len(self.answers) > 50
        for answer in self.answers:
            assert answer["hits"][0]["doc_key"] == answer["wanted"], answer
            assert answer["hits"][0]["distance"] < 0.01, answer
            assert answer["method"] == "hnsw" and answer["returned"] == 5


def test_a_model_is_changed_under_load_and_rolled_back(swapping: Api, ollama: Ollama) -> None:
    assert swapping.admin.post("/vectors/profile/reader/activate").json()["failures"] == []
    with Load(swapping) as load:
        result = swapped(swapping, model="other")
        assert (result["model"], result["before"]) == ("other", "fake")
        back = change(swapping, "rollback")
        assert back["state"] == "succeeded", back
        again = swapped(swapping, model="other")
        assert again["version"] == 3
        assert change(swapping, "rollback")["state"] == "succeeded"
    load.check()
    assert {answer["model"] for answer in load.answers} == {"fake", "other"}
    found = index(swapping)
    assert [(v["version"], v["state"], v["model_name"], v["chunks"]) for v in found["versions"]] == [
        (3, "retired", "other", ROWS),
        (1, "live", "fake", ROWS),
    ]
    assert found["versions"][0]["gate"]["quality"]["agreement"] > 0.5
