"""A graph that no profile asks for goes at the next activation; one that a profile asks for stays."""

import random
from typing import Any

from tests.integration.api.conftest import Api, api

__all__ = ["api"]


def write(seed: int) -> str:
    """Words that few other notes have: of texts that are nearly the same no graph is made."""
    pick = random.Random(seed).choices
    return " ".join("".join(pick(("ba", "co", "du", "fe", "gi", "lo", "mu", "ne"), k=3)) for _ in range(12))


def graphs(api: Api) -> dict[tuple[int, int], str]:
    found = api.admin.get("/vectors/indexes/notes_v1").json()["variants"]
    return {(variant["m"], variant["ef_construction"]): variant["state"] for variant in found}


def built(api: Api) -> int:
    with api.deployed.connect("owner") as owner:
        (count,) = owner.execute(
            "select count(*) from pg_class where relkind = 'i' and relname like 'notes_v1_v%'"
        ).fetchone()
    return int(count)


def activate(api: Api, profile: str, m: int) -> Any:
    api.profile(profile, "notes", hnsw_config={"m": m, "ef_construction": 80, "ef_search": 30})
    answer = api.admin.post(f"/vectors/profile/{profile}/activate").json()
    assert answer["failures"] == []
    return answer


def test_a_graph_goes_when_nobody_asks_for_it(api: Api) -> None:
    lines = "\n".join(f"{n},{write(n)}" for n in range(60))
    assert api.ingest("notes", f"id,t\n{lines}\n", row_key="id").status_code == 201
    api.index("notes", "t", name="notes_v1")
    assert activate(api, "one", 12)["dropped"] == 0
    assert activate(api, "two", 16)["dropped"] == 0
    assert graphs(api) == {(12, 80): "ready", (16, 80): "ready"} and built(api) == 2
    # the other profile still asks for the first
    assert activate(api, "two", 12)["dropped"] == 1
    assert graphs(api) == {(12, 80): "ready"} and built(api) == 1
    assert activate(api, "two", 24)["warmed"][0]["built"]
    assert activate(api, "one", 24)["dropped"] == 1
    assert graphs(api) == {(24, 80): "ready"} and built(api) == 1
    with api.reader("one") as reader:
        answer = reader.post("/vectors/search", json={"index": "notes_v1", "query": "note", "k": 3}).json()
    assert answer["method"] == "hnsw" and len(answer["hits"]) == 3


def test_one_that_was_being_dropped_is_built_again(api: Api) -> None:
    """As a crash leaves it: no search takes it, and whoever asks for it builds it."""
    with api.deployed.connect("owner") as owner:
        owner.execute("update lakeward.index_variant set state = 'failed'")
        (name,) = owner.execute(
            "select relname from pg_class where relkind = 'i' and relname like 'notes_v1_v%'"
        ).fetchone()
        owner.execute(f"drop index vec.{name}")
    assert activate(api, "one", 24)["warmed"][0]["built"]
    assert graphs(api) == {(24, 80): "ready"} and built(api) == 1
