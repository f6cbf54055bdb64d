"""What is deleted leaves nothing behind, and what is used is not deleted."""

import pytest
from psycopg import Connection

from tests.integration.api.conftest import Api, problem


def _leftovers(connection: Connection, profile: str) -> list[tuple[str]]:
    return connection.execute(
        "select rolname::text from pg_roles where rolname like '%%' || %(p)s union all "
        "select nspname::text from pg_namespace where nspname = 'p_' || %(p)s union all "
        "select profile_id from lakeward.binding where profile_id = %(p)s union all "
        "select id from lakeward.api_key where profile_id = %(p)s",
        {"p": profile},
    ).fetchall()


def test_a_deleted_profile_leaves_no_role_schema_binding_or_key(api: Api) -> None:
    api.ingest("rows", "id,t\n1,a\n2,b\n", row_key="id")
    api.index("rows", "t")
    api.profile("gone", "rows")
    reader = api.reader("gone")
    with api.deployed.connect("owner") as owner:
        assert len(_leftovers(owner, "gone")) == 4
        deleted = api.admin.delete("/catalog/profiles/gone").json()
        assert deleted == {"id": "gone", "bound_datasets": ["rows"], "revoked_keys": 1}
        assert _leftovers(owner, "gone") == []
    problem(reader.get("/whoami"), 401, "unauthenticated")
    problem(api.admin.get("/catalog/profiles/gone"), 404, "not_found")
    assert api.admin.get("/ready").status_code == 200


def test_a_dataset_that_an_index_uses_is_not_deleted(api: Api) -> None:
    api.ingest("used", "id,t\n1,a\n", row_key="id")
    api.profile("bound", "used")
    index = api.index("used", "t")
    refusal = problem(api.admin.delete("/catalog/datasets/by-name/used"), 409, "in_use")
    assert index in refusal["detail"]
    assert api.admin.delete(f"/vectors/indexes/{index}").json()["chunks"] == 1
    deleted = api.admin.delete("/catalog/datasets/by-name/used").json()
    assert deleted["unbound_profiles"] == ["bound"]
    assert api.admin.get("/catalog/profiles/bound").json()["bound_datasets"] == []
    with api.deployed.connect("owner") as owner:
        tables = owner.execute(
            "select relname from pg_class c join pg_namespace n on n.oid = relnamespace "
            "where nspname in ('lake', 'vec', 'p_bound') and relname ~ '^used'"
        ).fetchall()
    assert tables == []


def test_unbinding_takes_the_relation_away_at_once(api: Api) -> None:
    api.ingest("shared", "id,t\n1,a\n", row_key="id")
    api.index("shared", "t")
    api.profile("narrowed", "shared")
    reader = api.reader("narrowed")
    search = {"index": "shared_v1", "query": "a"}
    assert reader.post("/vectors/profile/narrowed/search", json=search).status_code == 200
    api.profile("narrowed")
    problem(reader.post("/vectors/profile/narrowed/search", json=search), 403, "profile_not_bound")
    problem(reader.post("/query/sql", json={"sql": "select * from shared"}), 400, "invalid_query")
    assert reader.get("/whoami").json()["relations"] == []


def test_a_profile_is_updated_as_a_whole(api: Api) -> None:
    first = api.admin.post("/catalog/profiles", json={"id": "p1", "description": "one"})
    assert first.status_code == 201
    assert first.json()["hnsw_config"] == {"m": 16, "ef_construction": 80, "ef_search": 30}
    second = api.admin.post("/catalog/profiles", json={"id": "p1", "hnsw_config": {"m": 8, "ef_search": 50}})
    assert second.status_code == 200
    assert second.json()["hnsw_config"] == {"m": 8, "ef_construction": 80, "ef_search": 50}
    assert second.json()["description"] == ""


def test_a_missing_binding_is_named_and_nothing_is_made(api: Api) -> None:
    answer = api.admin.post("/catalog/profiles", json={"id": "p2", "bound_datasets": ["nope", "neither"]})
    assert problem(answer, 404, "not_found")["missing"] == ["neither", "nope"]
    problem(api.admin.get("/catalog/profiles/p2"), 404, "not_found")


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_dispositions(api: Api, disposition: str) -> None:
    name = f"disposed_{disposition}"
    api.ingest(name, "id,t\n1,a\n2,b\n", row_key="id")
    api.index(name, "t")
    second = "id,t\n3,c\n" if disposition == "append" else "id,t\n2,B\n3,c\n"
    answer = api.ingest(name, second, disposition=disposition)
    assert answer.status_code == 201, answer.text
    rows = api.admin.post("/query/sql", json={"sql": f"select id, t from {name} order by id"}).json()["rows"]
    expected = {
        "append": [[1, "a"], [2, "b"], [3, "c"]],
        "merge": [[1, "a"], [2, "B"], [3, "c"]],
        "replace": [[2, "B"], [3, "c"]],
    }
    assert rows == expected[disposition]
    manifest = api.admin.get(f"/catalog/datasets/by-name/{name}").json()
    assert manifest["row_count"] == len(rows)
    assert manifest["version"] == 2
    assert manifest["freshness"]["embedding"] == "stale"
    api.index(name, "t")
    assert api.admin.get(f"/catalog/datasets/by-name/{name}").json()["freshness"]["embedding"] == "fresh"


def test_appending_a_key_that_is_there_is_refused_and_nothing_is_lost(api: Api) -> None:
    api.ingest("kept", "id,t\n1,a\n", row_key="id")
    refusal = problem(api.ingest("kept", "id,t\n1,z\n2,b\n"), 409, "duplicate_row_key")
    assert "'1'" in refusal["detail"] and "merge" in refusal["detail"]
    assert api.admin.post("/query/sql", json={"sql": "select id, t from kept"}).json()["rows"] == [[1, "a"]]


def test_keys_are_listed_without_their_secret_and_stop_at_once(api: Api) -> None:
    created = api.admin.post("/access/keys", json={"name": "k", "kind": "admin", "model": "llama"}).json()
    client = api.client(created["key"])
    assert client.get("/whoami").json()["model"] == "llama"
    secret = created["key"].split("_", 2)[2]
    assert secret not in api.admin.get("/access/keys").text
    assert api.admin.delete(f"/access/keys/{created['id']}").json()["revoked_at"] is not None
    problem(client.get("/whoami"), 401, "unauthenticated")


def test_lists_are_paged(api: Api) -> None:
    for n in range(5):
        api.admin.post("/catalog/datasets", json={"name": f"paged_{n}"})
    names: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.admin.get("/catalog/datasets", params=query).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == sorted(names) and {f"paged_{n}" for n in range(5)} <= set(names)
    problem(api.admin.get("/catalog/datasets", params={"cursor": "nonsense"}), 400, "invalid_input")
