"""The journal over the API: what happens in a deployment's life is there, and reads like it."""

from urllib.parse import quote

import psycopg
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

PEOPLE = "id,name,city\n1,Ada,London\n2,Grace,New York\n3,Edith,Paris\n"


@pytest.fixture(scope="module")
def people(api: Api) -> str:
    """A dataset with a reader, changed by the owner in a session of his own."""
    assert api.ingest("people", PEOPLE, row_key="id").status_code == 201
    api.profile("alpha", "people")
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        connection.execute("update lake.people set city = 'Cambridge' where id = 1")
        connection.execute("insert into lake.people values (4, 'Mary', 'Rome')")
        connection.execute("update lake.people set id = 44 where id = 4")
    return "people"


def recent(api: Api, **query: object) -> list[dict[str, object]]:
    answer = api.admin.get("/journal/recent", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def history(client, entity: str, dataset: str = "people") -> list[tuple[object, ...]]:
    answer = client.get(f"/journal/history/{entity}", params={"dataset": dataset})
    assert answer.status_code == 200, answer.text
    return [(e["kind"], e["entity"], e["field"], e["old"], e["new"]) for e in answer.json()["items"]]


def test_a_load_is_one_entry_under_the_name_of_who_sent_it(api: Api, people: str) -> None:
    (load,) = recent(api, kind="load", dataset=people)
    assert load["source"] == "ingest" and load["actor"] and load["entity"] is None
    assert load["new"]["rows"] == 3 and load["new"]["rejected"] == 0
    assert load["new"]["filename"] == "rows.csv" and len(load["new"]["content_sha256"]) == 64
    again = api.ingest(people, PEOPLE + "5,Joan,Graz\n", row_key="id", disposition="merge")
    assert again.status_code == 201, again.text
    new = [e for e in recent(api, dataset=people) if e["id"] > load["id"]]
    assert [e["kind"] for e in new].count("load") == 1
    assert not [e for e in new if e["entity"] == "5"], "a load is not told row by row"


def test_the_life_of_a_row_reads_like_one(api: Api, people: str) -> None:
    life = history(api.admin, "1")
    assert [entry[0] for entry in life][:2] == ["load", "update"]
    assert life[1][1:] == ("1", "city", "London", "Cambridge")


def test_a_row_that_got_another_key_is_followed_back(api: Api, people: str) -> None:
    life = [entry for entry in history(api.admin, "44") if entry[0] != "load"]
    assert life == [
        ("insert", "4", None, None, {"id": 4, "name": "Mary", "city": "Rome"}),
        ("rekey", "4", "id", "4", "44"),
        ("rekey", "44", "id", "4", "44"),
    ]


@pytest.mark.parametrize("key", ["a/b", "https://example.org/x?y=1#z", "50%", "ä ö", "a//b"])
def test_a_key_may_be_any_text(api: Api, key: str) -> None:
    event = {"kind": "seen", "dataset": "people", "entity": key}
    assert api.admin.post("/journal/event", json=event).status_code == 201
    answer = api.admin.get(f"/journal/history/{quote(key, safe='')}", params={"dataset": "people"})
    assert key in [entry["entity"] for entry in answer.json()["items"]], answer.text


def test_what_an_admin_changes_is_on_record_without_secrets(api: Api, people: str) -> None:
    created = api.admin.post("/access/keys", json={"name": "k", "kind": "reader", "profile": "alpha"}).json()
    api.profile("alpha", "people", hnsw_config={"m": 16, "ef_construction": 80, "ef_search": 99})
    api.admin.delete(f"/access/keys/{created['id']}")
    entries = recent(api, limit=100)
    by_entity: dict[object, list[dict[str, object]]] = {}
    for entry in reversed(entries):
        by_entity.setdefault(entry["entity"], []).append(entry)
    key = by_entity[f"api_key:{created['id']}"]
    assert [(e["kind"], e["field"]) for e in key] == [("create", None), ("update", "revoked_at")]
    assert "secret_sha256" not in key[0]["new"] and key[0]["source"] == "api"
    profile = by_entity["profile:alpha"]
    assert [(e["kind"], e["field"], e["old"], e["new"]) for e in profile[1:]] == [
        ("update", "ef_search", 30, 99)
    ]
    assert [e["kind"] for e in by_entity["binding:alpha/people"]] == ["create"]
    assert by_entity["dataset:people"][0]["kind"] == "create"
    assert all(e["dataset"] is None for e in key + profile)


def test_a_view_a_role_and_a_sensitivity_are_on_record(api: Api, people: str) -> None:
    view = {"name": "names", "base_dataset": "people", "columns": ["id", "name"], "row_filter": "id > 1"}
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    assert api.admin.post("/access/roles", json={"name": "guest", "clearance": "public"}).status_code == 201
    with psycopg.connect(api.deployed.dsn, autocommit=True) as connection:
        connection.execute(
            "update lakeward.dataset_column set sensitivity = 'restricted' where name = 'city'"
        )
        connection.execute("update lakeward.dataset_column set sensitivity = 'internal' where name = 'city'")
    assert api.admin.delete("/catalog/views/names").status_code == 200
    found = {(e["kind"], e["entity"], e["field"]): e for e in recent(api, limit=100)}
    assert found["create", "view:names", None]
    told = [e for e in recent(api, limit=100) if e["entity"] == "view:names" and e["kind"] == "create"]
    assert any(
        e["new"].get("base_dataset") == "people" and e["new"].get("row_filter") == "id > 1" for e in told
    ), told
    assert found["delete", "view:names", None] and found["create", "access_role:guest", None]
    sensitivity = found["update", "column:people.city", "sensitivity"]
    assert (sensitivity["old"], sensitivity["new"], sensitivity["source"]) == (
        "internal",
        "restricted",
        "sql",
    )


def test_events_and_updates_from_elsewhere(api: Api, people: str) -> None:
    event = {"kind": "interview", "dataset": "people", "entity": "2", "new": {"by": "phone"}}
    answer = api.admin.post("/journal/event", json=event, headers={"X-Lakehouse-Model": "llama"})
    assert answer.status_code == 201, answer.text
    entry = answer.json()
    assert (entry["kind"], entry["entity"], entry["new"], entry["model"]) == (
        "interview",
        "2",
        {"by": "phone"},
        "llama",
    )
    update = {"dataset": "people", "entity": "2", "field": "city", "old": "New York", "new": None}
    answer = api.admin.post("/journal/update", json=update)
    assert answer.status_code == 201 and answer.json()["kind"] == "update", answer.text
    kinds = [entry[0] for entry in history(api.admin, "2")]
    assert kinds[-2:] == ["interview", "update"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("event", {"kind": "journal_erased", "new": {"ids": [1]}}, 400, "invalid_input"),
        ("event", {"kind": "tombstone"}, 400, "invalid_input"),
        ("event", {"kind": "Not a word"}, 400, "invalid_input"),
        ("event", {"kind": "x", "whatever": 1}, 400, "invalid_input"),
        ("event", {"kind": "x", "dataset": "nowhere"}, 404, "not_found"),
        ("event", {"kind": "x", "new": {"a": "\0"}}, 400, "invalid_input"),
        ("update", {"dataset": "people", "entity": "1", "field": "city"}, 400, "invalid_input"),
        ("update", {"dataset": "no", "entity": "1", "field": "c", "old": 1, "new": 2}, 404, "not_found"),
    ],
)
def test_what_cannot_be_put_on_record_is_said(
    api: Api, people: str, path: str, body: object, status: int, code: str
) -> None:
    problem(api.admin.post(f"/journal/{path}", json=body), status, code)


def test_flush_verify_and_stats(api: Api, people: str) -> None:
    flushed = api.admin.post("/journal/flush").json()
    assert flushed["seals"] >= 0 and flushed["unsealed"] >= 0
    found = api.admin.get("/journal/verify").json()
    assert found["valid"] is True and found["checked"] > 0 and found["first_bad"] is None
    stats = api.admin.get("/journal/stats").json()
    assert stats["entries"] == found["checked"] + stats["unsealed"] or stats["entries"] >= found["checked"]
    assert stats["seals"] == found["seals"] and stats["sealed_at"]
    assert {kind["kind"] for kind in stats["kinds"]} >= {"load", "update", "insert", "create"}
    assert "people" in [dataset["dataset"] for dataset in stats["datasets"]]


def test_recent_is_paged(api: Api, people: str) -> None:
    everything = recent(api, limit=500)
    seen: list[object] = []
    cursor = None
    while True:
        page = api.admin.get("/journal/recent", params={"limit": 7, **({"cursor": cursor} if cursor else {})})
        seen += [entry["id"] for entry in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert [entry["id"] for entry in everything][-len(seen) :] == seen[-len(everything) :]
    assert len(seen) == len(set(seen))
    life = api.admin.get("/journal/history/44", params={"dataset": "people", "limit": 1}).json()
    assert len(life["items"]) == 1 and life["next_cursor"]
    problem(api.admin.get("/journal/recent", params={"cursor": "zzz"}), 400, "invalid_input")
    problem(api.admin.get("/journal/history/1"), 400, "invalid_input")
    problem(api.admin.get("/journal/recent", params={"what": "x"}), 400, "invalid_input")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/journal/event"),
        ("POST", "/journal/update"),
        ("POST", "/journal/flush"),
        ("GET", "/journal/stats"),
        ("GET", "/journal/verify"),
        ("GET", "/access/audit"),
    ],
)
def test_only_an_admin(api: Api, people: str, method: str, path: str) -> None:
    bodies = {
        "/journal/event": {"kind": "x"},
        "/journal/update": {"dataset": "people", "entity": "1", "field": "c", "old": 1, "new": 2},
    }
    with api.reader("alpha") as reader:
        problem(reader.request(method, path, json=bodies.get(path)), 403, "forbidden")
