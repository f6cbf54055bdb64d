"""Explain says what a reader sees and why; it says it of what is really there, and to a reader no more than it sees."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.integration.access.doors import by_manifest, by_psql, by_search, by_sql, everything
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

#: A key, a text, a number, a date, a document; every value can be told in any text, digests and times included.
PEOPLE = """
insert into lake.people (id, name, pay, born, city, note, file)
select 770880000 + n, format('Name%szq', n), 881000.25 + n, format('196%s-04-05', n)::date,
  case when n < 2 then 'Bern' else 'Kiel' end, format('said %szq', n), jsonb_build_object('iban', format('XX99%s', n))
from generate_series(0, 2) n
"""
SECRETS = {
    "id": ["770880000", "770880001", "770880002"],
    "name": ["Name0zq"],
    "pay": ["881000", "881001"],
    "born": ["1960-04-05", "04-05"],
    "file": ["XX99"],
    "city": ["Bern"],
    "note": ["said 0zq"],
}
TYPES = {"id": "bigint", "name": "text", "pay": "numeric", "born": "date", "city": "text", "note": "text"}


def classify(api: Api, dataset: str, **levels: str) -> None:
    columns = {column: {"sensitivity": level} for column, level in levels.items()}
    answer = api.admin.patch(f"/catalog/datasets/by-name/{dataset}/metadata", json={"columns": columns})
    assert answer.status_code == 200, answer.text


def explain(api: Api, profile: str) -> dict[str, Any]:
    answer = api.admin.get(f"/catalog/profiles/{profile}/explain")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture(scope="module")
def people(api: Api) -> Iterator[Api]:
    """Three people, a view of them with a filter, an index over each."""
    columns = [{"name": name, "type": kind} for name, kind in {**TYPES, "file": "jsonb"}.items()]
    made = api.admin.post("/catalog/datasets", json={"name": "people", "row_key": "id", "columns": columns})
    assert made.status_code == 201, made.text
    with closing(api.deployed.connect("owner")) as owner:
        owner.execute(PEOPLE)
    view = {
        "name": "swiss",
        "base_dataset": "people",
        "columns": ["id", "city", "note"],
        "row_filter": "city = 'Bern'",
        "redactions": {"id": {"action": "mask", "keep_suffix": 1}, "note": {"action": "mask_alphanum"}},
    }
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    api.index("people", "note")
    api.index("swiss", "note")
    yield api


def test_everything_above_the_clearance_is_redacted_in_every_door(people: Api) -> None:
    """Row key, text, number, date and document are above it; each action has its turn, one after another."""
    above = ["id", "name", "pay", "born", "file"]
    classify(people, "people", **dict.fromkeys(above, "confidential"))
    people.profile("doors", "people", access_role="agent")
    reader = people.reader("doors")
    said = everything(people, reader, "doors", "people", "people_v1")
    for column in above:
        assert not [secret for secret in SECRETS[column] if secret in said], column
    assert all(secret in said for column in ("city", "note") for secret in SECRETS[column])
    for role, keeps in (
        ("agent", {"null"}),
        ("analyst", {"hash", "null"}),
        ("recruiter", {None}),
        ("agent", {"null"}),
    ):
        people.profile("doors", "people", access_role=role)
        rows = by_sql(reader, "people")
        in_psql = by_psql(people, "doors", "people")
        # two spellings of one document
        assert {**rows, "file": None} == {**in_psql, "file": None}
        assert (rows["file"] == in_psql["file"]) == (role != "recruiter")
        assert {by_manifest(reader, "people")[column] for column in above} == keeps
        explained = {c["name"]: c for c in explain(people, "doors")["relations"][0]["columns"]}
        assert {name: c["action"] for name, c in explained.items()} == by_manifest(reader, "people")
        hits = by_search(reader, "doors", "people_v1")
        if role == "recruiter":
            assert sorted(hit["doc_key"] for hit in hits) == SECRETS["id"]
        else:
            said = everything(people, reader, "doors", "people", "people_v1")
            assert not [s for column in above for s in SECRETS[column] if s in said]
        if role == "analyst":
            # a key is hashed the same way in rows and hits, so they can be joined
            assert sorted(hit["doc_key"] for hit in hits) == rows["id"]
            assert {len(key) for key in rows["id"]} == {64}
            # a hash does not fit a document: it is not there at all
            assert set(rows["file"]) == {"None"}
        if role == "agent":
            assert {hit["doc_key"] for hit in hits} == {None}


def test_an_index_whose_text_is_above_the_clearance_is_not_there(people: Api) -> None:
    people.profile("deaf", "people", "swiss")
    reader = people.reader("deaf")
    try:
        assert by_search(reader, "deaf", "people_v1")
        classify(people, "people", note="restricted")
        answer = reader.post("/vectors/profile/deaf/search", json={"index": "people_v1", "query": "said 0zq"})
        refusal = problem(answer, 403, "profile_not_bound")
        assert "above the clearance" in refusal["detail"]
        problem(reader.get("/vectors/indexes/people_v1"), 404, "not_found")
        assert [index["name"] for index in reader.get("/vectors/indexes").json()["items"]] == ["swiss_v1"]
        role = people.deployed.deployment.profile_prefix + "deaf"
        with people.deployed.connect() as connection:
            rights = connection.execute(
                "select c.relname, has_table_privilege(%(role)s, c.oid, 'select') "
                "or has_any_column_privilege(%(role)s, c.oid, 'select') from pg_class c "
                "where c.relnamespace = 'vec'::regnamespace and c.relkind in ('r', 'v') "
                "and c.relname ~ '^(people|swiss)_v1'",
                {"role": role},
            ).fetchall()
        assert {name for name, may in rights if may} == {"swiss_v1", "swiss_v1_text", "swiss_v1_pending"}
        # the view's index holds the redacted text, whatever the clearance
        assert {hit["text"] for hit in by_search(reader, "deaf", "swiss_v1")} == {"**** ***"}
        indexes = {index["name"]: index for index in explain(people, "deaf")["indexes"]}
        assert {name: index["searchable"] for name, index in indexes.items()} == {
            "people_v1": False,
            "swiss_v1": True,
        }
        assert "note: it is restricted, above the clearance internal: null" in indexes["people_v1"]["reason"]
    finally:
        classify(people, "people", note="internal")
    assert by_search(reader, "deaf", "people_v1")


def test_the_admin_is_told_everything(people: Api) -> None:
    classify(people, "people", **dict.fromkeys(["id", "name", "pay", "born", "file"], "confidential"))
    people.profile("told", "people", "swiss", access_role="analyst", hnsw_config={"m": 8})
    people.reader("told")
    found = explain(people, "told")
    assert (found["profile"], found["keys"]) == ("told", 1)
    assert found["hnsw_config"] == {"m": 8, "ef_construction": 80, "ef_search": 30}
    assert found["access"] == {
        "access_role": "analyst",
        "clearance": "internal",
        "default_action": "hash",
        "keep_prefix": None,
        "keep_suffix": None,
        "can_write": False,
    }
    raw, view = found["relations"]
    assert (raw["name"], raw["kind"], raw["rows"], raw["base_dataset"], raw["row_filter"]) == (
        "people",
        "dataset",
        3,
        None,
        None,
    )
    assert (view["name"], view["kind"], view["rows"], view["base_dataset"], view["row_filter"]) == (
        "swiss",
        "view",
        2,
        "people",
        "city = 'Bern'",
    )
    columns = {column["name"]: column for column in raw["columns"]}
    assert columns["pay"] == {
        "name": "pay",
        "shown": True,
        "type": "text",
        "action": "hash",
        "keep_prefix": None,
        "keep_suffix": None,
        "reason": "it is confidential, above the clearance internal: hash",
        "base_type": "numeric",
        "sensitivity": "confidential",
    }
    assert columns["file"]["action"] == "null" and columns["city"]["action"] is None
    columns = {column["name"]: column for column in view["columns"]}
    assert (columns["id"]["action"], columns["id"]["keep_suffix"], columns["id"]["type"]) == (
        "mask",
        1,
        "text",
    )
    assert (columns["pay"]["shown"], columns["pay"]["type"], columns["pay"]["reason"]) == (
        False,
        None,
        "the view does not list it",
    )


def test_a_reader_is_told_what_is_shown_to_it_and_no_more(people: Api) -> None:
    classify(people, "people", **dict.fromkeys(["id", "name", "pay", "born"], "confidential"))
    classify(people, "people", file="unclassified", note="restricted")
    people.profile("asks", "people", "swiss", access_role="analyst")
    people.profile("other", "people")
    reader = people.reader("asks")
    answer = reader.get("/catalog/profiles/asks/explain")
    assert answer.status_code == 200, answer.text
    # what is hidden of the base, its filter, and indexes that it may not search
    for hidden in ("Bern", '"file"', "people_v1", "unclassified"):
        assert hidden not in answer.text, hidden
    found, told = answer.json(), explain(people, "asks")
    assert found["keys"] is None
    assert [r["rows"] for r in found["relations"]] == [r["rows"] for r in told["relations"]] == [3, 2]
    for mine, admins in zip(found["relations"], told["relations"], strict=True):
        assert mine["base_dataset"] is None and mine["row_filter"] is None
        private = {"base_type": None, "sensitivity": None}
        assert mine["columns"] == [{**c, **private} for c in admins["columns"] if c["shown"]]
    assert found["indexes"] == [index for index in told["indexes"] if index["searchable"]]
    assert [index["name"] for index in found["indexes"]] == ["swiss_v1"]
    acting = people.admin.get(
        "/catalog/profiles/asks/explain", headers={"X-Lakehouse-Profile": "asks"}
    ).json()
    assert acting == found
    problem(reader.get("/catalog/profiles/other/explain"), 404, "not_found")
    problem(people.admin.get("/catalog/profiles/nobody/explain"), 404, "not_found")
    classify(people, "people", file="confidential", note="internal")


def test_a_relation_without_rows_or_columns_is_explained_too(api: Api) -> None:
    assert api.admin.post("/catalog/datasets", json={"name": "later"}).status_code == 201
    api.ingest("closed", "id\n1\n", row_key="id")
    classify(api, "closed", id="unclassified")
    api.profile("waits", "later", "closed")
    closed, later = explain(api, "waits")["relations"]
    assert (later["rows"], later["columns"]) == (0, [])
    assert (closed["rows"], closed["columns"][0]["shown"]) == (0, False)
    assert "not classified" in closed["columns"][0]["reason"]
    own = api.reader("waits").get("/catalog/profiles/waits/explain").json()
    assert [relation["columns"] for relation in own["relations"]] == [[], []]
    api.profile("alone")
    assert explain(api, "alone")["relations"] == explain(api, "alone")["indexes"] == []
