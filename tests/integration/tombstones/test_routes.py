"""/catalog/datasets/by-name/{name}/tombstone answers as its neighbours do."""

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]
PATH = "/catalog/datasets/by-name/things/tombstone"


def test_tombstones_are_paged_newest_first(api: Api) -> None:
    """The column names are those that a statement's own aliases would shadow."""
    assert (
        api.ingest("things", "id,d,s,r,t\n1,a,b,c,x\n2,a,b,c,y\n3,a,b,c,z\n", row_key="id").status_code == 201
    )
    api.index("things", "t", name="things_v1")
    api.profile("reader", "things")
    with api.reader("reader") as reader:
        request = {"index": "things_v1", "query": "x", "k": 1}
        hit = reader.post("/vectors/profile/reader/search", json=request).json()["hits"][0]
        assert hit["metadata"] == {"id": 1, "d": "a", "s": "b", "r": "c"}
    for key in (1, 2, 3):
        body = {"row_key_column": "id", "row_key_values": [key]}
        assert api.admin.post(PATH, json=body).status_code == 200
    first = api.admin.get(PATH, params={"limit": 2}).json()
    rest = api.admin.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [entry["key"] for entry in first["items"] + rest["items"]] == ["3", "2", "1"]
    undo = api.admin.post(f"{PATH}/undo", json={"row_key_column": "id", "row_key_values": [1, 2, 3]})
    assert undo.json()["restored"] == 3
    assert all(entry["undone_at"] for entry in api.admin.get(PATH).json()["items"])
    history = api.admin.get("/journal/history/2", params={"dataset": "things"})
    if history.status_code == 200:
        kinds = [entry["kind"] for entry in history.json()["items"]]
        assert {"tombstone", "undo"} <= set(kinds) and "delete" not in kinds and "insert" not in kinds
    problem(api.admin.post(PATH, json={"row_key_column": "id", "keys": [1]}), 400, "invalid_input")
    problem(api.admin.get("/catalog/datasets/by-name/nothing/tombstone"), 404, "not_found")
