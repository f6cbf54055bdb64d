"""A profile that searches by Lance gets what one that searches by pgvector gets, whatever became of the copy."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.integration.api.conftest import Api, serving, settings_for

pytest.importorskip("lancedb")

ROWS = 400
SYLLABLES = ("ba", "co", "du", "fe", "gi", "lo", "mu", "ne", "ra", "si")


def write(seed: int) -> str:
    """A few words that few other notes have."""
    pick = random.Random(seed).choices
    return " ".join("".join(pick(SYLLABLES, k=3)) for _ in range(12))


def rows(first: int, last: int) -> str:
    """Notes as a CSV file."""
    return "\n".join(
        ["id,team,note", *(f"{n},{('red', 'blue')[n % 2]},red {write(n)}" for n in range(first, last))]
    )


@pytest.fixture(scope="module")
def api(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """Notes, indexed; a view that hides half of them; two readers of each that differ in nothing but the backend."""
    with clone() as deployed, serving(deployed, settings_for(deployed)) as running:
        assert running.ingest("notes", rows(0, ROWS), row_key="id").status_code == 201
        view = {
            "name": "notes_red",
            "base_dataset": "notes",
            "columns": ["id", "note"],
            "row_filter": "team = 'red'",
        }
        assert running.admin.post("/catalog/views", json=view).status_code == 201
        running.index("notes", "note", name="notes_v1")
        running.index("notes_red", "note", name="red_v1")
        hnsw = {"m": 16, "ef_construction": 80, "ef_search": 100}
        for backend in ("lance", "pgvector"):
            running.profile(f"by-{backend}", "notes", "notes_red", vector_backend=backend, hnsw_config=hnsw)
        yield running


def search(api: Api, profile: str, **request: Any) -> dict[str, Any]:
    request = {"index": "notes_v1", "k": 10} | request
    answer = api.admin.post("/vectors/search", json=request, headers={"X-Lakehouse-Profile": profile})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def activate(api: Api, profile: str = "by-lance") -> dict[str, Any]:
    answer = api.admin.post(f"/vectors/profile/{profile}/activate").json()
    assert answer["failures"] == [], answer
    return dict(answer)


def keys(answer: dict[str, Any]) -> list[tuple[str, float]]:
    return [(hit["doc_key"], round(hit["distance"], 5)) for hit in answer["hits"]]


def same(api: Api, **request: Any) -> dict[str, Any]:
    """The answer by Lance, when its distances are those of an exact search."""
    exact = search(api, "by-pgvector", **{"k": 1000} | request)
    by_lance = search(api, "by-lance", **request)
    k = by_lance["k"]
    wanted, found = keys(exact)[:k], keys(by_lance)
    assert [d for _, d in found] == [d for _, d in wanted]
    return by_lance


def test_before_it_is_synced_it_is_searched_in_postgres(api: Api) -> None:
    assert same(api, query="red")["method"] == "exact"


def test_activation_syncs_measures_and_says_so(api: Api) -> None:
    warmed = activate(api)["warmed"]
    assert {(item["index"], item["vectors"]) for item in warmed} == {
        ("notes_v1", ROWS),
        ("red_v1", ROWS // 2),
    }
    assert all(item["recall"]["recall"] > 0.99 for item in warmed)
    # too few for a graph
    assert [item["variant"] for item in warmed] == [None, None]
    answer = same(api, query="red bacodu")
    assert answer["method"] == "lance" and answer["recall"] == warmed[0]["recall"]
    assert [item["built"] for item in activate(api)["warmed"]] == [False, False], "again it is as it was"


def test_chunks_that_came_since_are_found(api: Api) -> None:
    activate(api)
    assert api.ingest("notes", rows(ROWS, ROWS + 30)).status_code == 201
    api.index("notes", "note", name="notes_v1")
    new = write(ROWS + 7)
    answer = same(api, query=new)
    assert answer["method"] == "lance" and answer["hits"][0]["doc_key"] == str(ROWS + 7)
    [synced] = [item for item in activate(api)["warmed"] if item["index"] == "notes_v1"]
    assert (synced["vectors"], synced["built"]) == (ROWS + 30, False)
    assert same(api, query=new)["hits"][0]["doc_key"] == str(ROWS + 7)


def test_what_is_gone_is_gone_at_once(api: Api) -> None:
    activate(api)
    victim = same(api, query=write(3))["hits"][0]["doc_key"]
    gone = {"row_key_column": "id", "row_key_values": [int(victim)], "reason": "test"}
    assert api.admin.post("/catalog/datasets/by-name/notes/tombstone", json=gone).status_code in (200, 201)
    answer = same(api, query=write(3))
    assert victim not in [hit["doc_key"] for hit in answer["hits"]] and answer["returned"] == 10


def test_a_view_and_a_filter_are_asked_in_postgres(api: Api) -> None:
    activate(api)
    answer = same(api, query="red", index="red_v1", k=30)
    assert answer["method"] == "lance" and answer["returned"] == 30
    filtered = same(api, query="red", filter={"team": "red"}, k=20)
    assert filtered["method"] == "lance" and {hit["metadata"]["team"] for hit in filtered["hits"]} == {"red"}
    rare = same(api, query="red", filter={"id": {"$lt": 12}}, k=10)
    assert rare["method"] != "lance" and rare["returned"] >= 9
    every = same(api, query="red", k=1000)
    assert every["method"] == "exact" and every["returned"] >= ROWS - 1, "a short answer is asked for again"
    assert same(api, query=write(9), mode="hybrid", k=1)["method"] == "hybrid"


def test_a_copy_that_has_a_graph_says_which(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.lance.copied.GRAPH_FROM", 300)
    name = api.index("notes", "note", name="large")
    warmed = {item["index"]: item["variant"] for item in activate(api)["warmed"]}
    assert warmed[name] == {"m": 20, "ef_construction": 150} and warmed["red_v1"] is None
    assert api.admin.delete(f"/vectors/indexes/{name}").status_code == 200
