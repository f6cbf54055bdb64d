"""/catalog/views answers as its neighbours do: pages, 201 and 200, unknown fields refused."""

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]


def test_views_are_paged_created_and_updated(api: Api) -> None:
    assert api.ingest("things", "id,a\n1,x\n2,y\n", row_key="id").status_code == 201
    for name in ("one", "two", "three"):
        made = api.admin.post(
            "/catalog/views", json={"name": name, "base_dataset": "things", "columns": ["id"]}
        )
        assert made.status_code == 201, made.text
    first = api.admin.get("/catalog/views", params={"limit": 2}).json()
    rest = api.admin.get("/catalog/views", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [view["name"] for view in first["items"] + rest["items"]] == ["one", "three", "two"]
    assert rest["next_cursor"] is None
    again = api.admin.post("/catalog/views", json={"name": "one", "base_dataset": "things", "columns": ["a"]})
    assert (again.status_code, again.json()["columns"]) == (200, ["a"])
    unknown = {"name": "one", "base_dataset": "things", "columns": ["a"], "filter": "x"}
    problem(api.admin.post("/catalog/views", json=unknown), 400, "invalid_input")
    problem(api.admin.get("/catalog/views/nothing"), 404, "not_found")
    problem(api.admin.delete("/catalog/views/nothing"), 404, "not_found")
    problem(api.admin.delete("/catalog/views/things"), 404, "not_found")
