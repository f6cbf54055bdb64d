"""Datasets are described and columns classified; a column that comes later is closed in every door until it is."""

import json
from typing import Any

import pytest

from app.catalog.metadata import check_columns, check_levels
from app.catalog.models import LEVELS, ColumnMetadata, MetadataRequest
from app.errors import InvalidInputError, NotFoundError
from tests.integration.access.doors import by_manifest, by_psql, by_search, by_sql, everything
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]


def classify(api: Api, dataset: str, **levels: str) -> None:
    columns = {column: {"sensitivity": level} for column, level in levels.items()}
    answer = api.admin.patch(f"/catalog/datasets/by-name/{dataset}/metadata", json={"columns": columns})
    assert answer.status_code == 200, answer.text


def manifest(api: Api, dataset: str) -> dict[str, Any]:
    document: dict[str, Any] = api.admin.get(f"/catalog/datasets/by-name/{dataset}").json()
    return document


def test_what_is_given_is_changed_and_the_rest_stays(api: Api) -> None:
    api.ingest("described", "id,a\n1,x\n", row_key="id")
    path = "/catalog/datasets/by-name/described/metadata"
    change = {"description": "d", "owner": "o", "tags": ["t"], "sensitivity": "confidential"}
    answer = api.admin.patch(path, json={**change, "columns": {"a": {"sensitivity": "restricted"}}})
    assert answer.status_code == 200, answer.text
    assert {field: answer.json()[field] for field in change} == change
    assert {c["name"]: c["sensitivity"] for c in answer.json()["columns"]} == {
        "id": "internal",
        "a": "restricted",
    }
    again = api.admin.patch(path, json={"owner": "p", "columns": {"a": {}}}).json()
    assert (again["owner"], again["description"], again["tags"]) == ("p", "d", ["t"])
    assert again["columns"][1]["sensitivity"] == "restricted"
    assert again["row_key"] == "id"
    assert api.admin.patch(path, json={"tags": []}).json()["tags"] == []


def test_all_or_nothing(api: Api) -> None:
    api.ingest("whole", "id,a\n1,x\n", row_key="id")
    before = manifest(api, "whole")
    path = "/catalog/datasets/by-name/whole/metadata"
    unknown = {"owner": "o", "columns": {"a": {"sensitivity": "public"}, "b": {"sensitivity": "public"}}}
    refusal = problem(api.admin.patch(path, json=unknown), 404, "not_found")
    assert refusal["missing"] == ["b"] and "id, a" in refusal["detail"]
    for wrong in ({"a": {"sensitivity": "secret"}}, {"b": {"sensitivity": "secret"}}):
        refusal = problem(api.admin.patch(path, json={"owner": "o", "columns": wrong}), 400, "invalid_input")
        assert ", ".join(LEVELS) in refusal["detail"]
    problem(api.admin.patch(path, json={"owner": "o", "sensitivity": "secret"}), 400, "invalid_input")
    problem(api.admin.patch(path, json={"name": "x"}), 400, "invalid_input")
    problem(api.admin.patch(path, json={"columns": {"a": {"type": "text"}}}), 400, "invalid_input")
    assert manifest(api, "whole") == before
    problem(api.admin.patch("/catalog/datasets/by-name/nothing/metadata", json={}), 404, "not_found")
    api.profile("bystander", "whole")
    problem(api.reader("bystander").patch(path, json={"owner": "me"}), 403, "forbidden")


def test_readers_see_a_classified_column_redacted_at_once_in_every_door(api: Api) -> None:
    api.ingest("staff", "id,name,pay,note\n1,Ada,111222,hello\n2,Grace,333444,bye\n", row_key="id")
    api.profile("clerk", "staff")
    index = api.index("staff", "note")
    reader = api.reader("clerk")
    assert by_sql(reader, "staff")["pay"] == ["111222", "333444"]
    assert {hit["metadata"]["pay"] for hit in by_search(reader, "clerk", index)} == {111222, 333444}
    classify(api, "staff", pay="confidential")
    assert by_sql(reader, "staff")["pay"] == by_psql(api, "clerk", "staff")["pay"] == ["None", "None"]
    assert {hit["metadata"]["pay"] for hit in by_search(reader, "clerk", index)} == {None}
    assert by_manifest(reader, "staff") == {"id": None, "name": None, "pay": "null", "note": None}
    assert "111222" not in everything(api, reader, "clerk", "staff", index)
    classify(api, "staff", pay="internal")
    assert by_sql(reader, "staff")["pay"] == by_psql(api, "clerk", "staff")["pay"] == ["111222", "333444"]


def test_a_column_that_comes_later_is_closed_in_every_door_until_it_is_classified(api: Api) -> None:
    api.ingest("grown", "id,note\n1,hello\n2,bye\n", row_key="id")
    api.profile("early", "grown", access_role="admin")  # the highest clearance there is
    reader = api.reader("early")
    assert list(by_sql(reader, "grown")) == ["id", "note"]
    content = "id,secret_iban,note\n1,DE111222,hello\n2,DE333444,bye\n"
    assert api.ingest("grown", content, disposition="replace").status_code == 201
    index = api.index("grown", "note")
    assert [c["name"] for c in manifest(api, "grown")["columns"] if c["sensitivity"] == "unclassified"] == [
        "secret_iban"
    ]
    said = everything(api, reader, "early", "grown", index)
    assert "iban" not in said and "DE111222" not in said
    assert set(by_sql(reader, "grown")) == set(by_psql(api, "early", "grown")) == {"id", "note"}
    problem(reader.post("/query/sql", json={"sql": "select secret_iban from grown"}), 400, "invalid_query")
    assert {tuple(hit["metadata"]) for hit in by_search(reader, "early", index)} == {("id",)}
    # the admin's own door has it
    assert by_sql(api.admin, "grown")["secret_iban"] == ["DE111222", "DE333444"]
    classify(api, "grown", secret_iban="restricted")
    for rows in (by_sql(reader, "grown"), by_psql(api, "early", "grown")):
        assert rows["secret_iban"] == ["DE111222", "DE333444"]
    assert by_manifest(reader, "grown")["secret_iban"] is None
    assert {hit["metadata"]["secret_iban"] for hit in by_search(reader, "early", index)} == {
        "DE111222",
        "DE333444",
    }
    # and closed again
    classify(api, "grown", secret_iban="unclassified")
    said = everything(api, reader, "early", "grown", index)
    assert "iban" not in said and "DE111222" not in said
    # a replace with the same columns keeps what was said of them
    classify(api, "grown", secret_iban="confidential")
    assert api.ingest("grown", content.replace("hello", "hi"), disposition="replace").status_code == 201
    assert {c["name"]: c["sensitivity"] for c in manifest(api, "grown")["columns"]}[
        "secret_iban"
    ] == "confidential"


def test_a_name_is_quoted_and_a_dataset_can_be_closed_whole(api: Api) -> None:
    odd = 'a"b%(x)s'
    columns = [{"name": "id", "type": "bigint"}, {"name": odd, "type": "text"}]
    answer = api.admin.post("/catalog/datasets", json={"name": "odd", "row_key": "id", "columns": columns})
    assert answer.status_code == 201, answer.text
    api.profile("odd_reader", "odd")
    reader = api.reader("odd_reader")
    classify(api, "odd", **{odd: "restricted"})
    assert by_manifest(reader, "odd") == {"id": None, odd: "null"}
    classify(api, "odd", **{odd: "unclassified", "id": "unclassified"})
    assert by_sql(reader, "odd") == by_psql(api, "odd_reader", "odd") == by_manifest(reader, "odd") == {}
    assert api.admin.get("/ready").status_code == 200
    classify(api, "odd", id="internal")
    assert list(by_psql(api, "odd_reader", "odd")) == ["id"]


@pytest.mark.parametrize("level", [*LEVELS, None])
def test_every_level_is_a_level(level: str | None) -> None:
    check_levels(MetadataRequest(sensitivity=level, columns={"a": ColumnMetadata(level)}))


@pytest.mark.parametrize("level", ["", "Public", "secret", " public"])
def test_nothing_else_is(level: str) -> None:
    with pytest.raises(InvalidInputError, match="use one of public"):
        check_levels(MetadataRequest(columns={"a": ColumnMetadata(level)}))


def test_a_dataset_without_columns_says_so() -> None:
    with pytest.raises(NotFoundError, match="it has none yet"):
        check_columns("d", {"x": 1}, [])


def test_a_dataset_that_is_closed_whole_is_not_searched_either(api: Api) -> None:
    api.ingest("shut", "id,note\n1,topsecret\n", row_key="id")
    api.profile("shut_out", "shut")
    index = api.index("shut", "note")
    reader = api.reader("shut_out")
    assert by_search(reader, "shut_out", index)
    classify(api, "shut", id="unclassified", note="unclassified")
    search = {"index": index, "query": "topsecret"}
    problem(reader.post("/vectors/profile/shut_out/search", json=search), 403, "profile_not_bound")
    assert "topsecret" not in everything(api, reader, "shut_out", "shut", index)


@pytest.mark.parametrize(
    "change",
    [
        {"description": "\u0000"},
        {"description": "x" * 10_001},
        {"tags": ["x"] * 101},
        {"tags": ["\ud800"]},
        {"columns": {"\u0000": {"sensitivity": "public"}}},
        {"columns": {"id": {"sensitivity": "\u0000"}}},
        {"columns": {f"c{n}": {"sensitivity": "public"} for n in range(1_600)}},
        {"columns": []},
    ],
)
def test_what_is_hostile_is_the_callers_fault(api: Api, change: dict[str, Any]) -> None:
    api.ingest("hostile", "id\n1\n", row_key="id")
    answer = api.admin.patch("/catalog/datasets/by-name/hostile/metadata", content=json.dumps(change))
    assert answer.status_code in (400, 404), answer.text
    assert len(answer.json()["detail"]) < 4_000
