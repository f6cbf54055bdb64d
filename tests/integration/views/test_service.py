"""A safe view of a real table of people, through REST, analytic SQL, search, psql and the catalog."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
PEOPLE = DATA / "pii" / "fakenamegenerator" / "FakeNameGenerator.com_3000.csv"
COLUMNS = ["Number", "Gender", "GivenName", "City", "Country", "EmailAddress", "Birthday", "Occupation"]
VIEW = {
    "name": "people_safe",
    "base_dataset": "people",
    "columns": COLUMNS,
    "row_filter": "\"Country\" in ('DE', 'SE', 'FR') and \"Age\" < 60",
    "redactions": {
        "Number": {"action": "mask", "keep_prefix": 1, "keep_suffix": 0},
        "EmailAddress": {"action": "hash"},
        "GivenName": {"action": "mask_alphanum"},
    },
}
STATEMENT = 'select "Number", "Gender", "City", "Country", "Occupation" from people_safe'
EXPECTED = """
select case when length("Number"::text) <= 1 then repeat('*', length("Number"::text))
  else left("Number"::text, 1) || repeat('*', length("Number"::text) - 1) end,
  "Gender", "City", "Country", "Occupation"
from lake.people where "Country" in ('DE', 'SE', 'FR') and "Age" < 60
"""


@pytest.fixture(scope="module")
def people(api: Api) -> Iterator[Api]:
    """3,000 people, a view of 8 of their 29 columns, an index over the view, two readers."""
    if not PEOPLE.exists():
        pytest.skip("the table of people is not here")
    answer = api.ingest("people", PEOPLE.read_bytes(), PEOPLE.name, row_key="Number")
    assert answer.status_code == 201, answer.text
    created = api.admin.post("/catalog/views", json=VIEW)
    assert created.status_code == 201, created.text
    api.index("people_safe", "GivenName", "Occupation", name="safe_v1")
    api.profile("safe", "people_safe")
    api.profile("raw", "people")
    yield api


def expected(api: Api) -> list[Any]:
    """What the view must show, spelled out by the owner over the table."""
    with api.deployed.connect("owner") as connection:
        return connection.execute(EXPECTED).fetchall()


def test_every_door_shows_the_same_rows_and_only_what_is_listed(people: Api) -> None:
    want = expected(people)
    assert 100 < len(want) < 2900
    with people.reader("safe") as reader:
        answer = reader.post("/query/sql", json={"sql": STATEMENT}).json()
        assert not answer["truncated"], answer
        everything = reader.post("/query/sql", json={"sql": "select * from people_safe limit 1"}).json()
        found = reader.post(
            "/vectors/profile/safe/search", json={"index": "safe_v1", "query": "teacher", "k": 1000}
        ).json()
    assert sorted(map(tuple, answer["rows"]), key=_nulls_last) == sorted(want, key=_nulls_last)
    assert [column["name"] for column in everything["columns"]] == COLUMNS
    assert found["returned"] == len(want)
    assert sorted(hit["doc_key"] for hit in found["hits"]) == sorted(row[0] for row in want)
    assert all(set(hit["metadata"]) == set(COLUMNS) - {"GivenName", "Occupation"} for hit in found["hits"])
    assert all("*" in hit["text"] for hit in found["hits"])
    with people.deployed.connect("service") as connection, connection.transaction():
        connection.execute("select set_config('role', %s, true)", [role(people, "safe")])
        rows = connection.execute(STATEMENT.replace("from ", "from p_safe."))
        assert sorted(rows, key=_nulls_last) == sorted(want, key=_nulls_last)


def _nulls_last(row: Any) -> Any:
    return [(value is None, value or "") for value in row]


def role(api: Api, profile: str) -> str:
    """The profile's role in Postgres."""
    found: str = api.admin.get(f"/catalog/profiles/{profile}").json()["role_name"]
    return found


@pytest.mark.parametrize("hidden", ["Surname", "NationalID", "Age", "Password"])
def test_a_hidden_column_is_not_there_in_any_door(people: Api, hidden: str) -> None:
    with people.reader("safe") as reader:
        answer = reader.post("/query/sql", json={"sql": f'select "{hidden}" from people_safe'})
        assert (
            hidden not in problem(answer, 400, "invalid_query")["detail"].replace(f"'{hidden}'", "").split()
        )
        assert hidden not in str(reader.get("/catalog/views/people_safe").json())
        problem(reader.get("/catalog/datasets/by-name/people"), 404, "not_found")
        assert reader.get("/catalog/datasets").json()["items"] == []
        problem(reader.post("/query/sql", json={"sql": "select * from people"}), 400, "invalid_query")
    with people.deployed.connect("service") as connection, connection.transaction():
        connection.execute("select set_config('role', %s, true)", [role(people, "safe")])
        with pytest.raises(psycopg.errors.UndefinedColumn), connection.transaction():
            connection.execute(f'select "{hidden}" from p_safe.people_safe')
        for table in ("lake.people", "lake.people_safe", "vec.safe_v1_source"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"select * from {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
            connection.execute("select row_key from vec.safe_v1")


def test_a_reader_is_not_told_what_a_view_is_made_of(people: Api) -> None:
    with people.reader("safe") as reader:
        shown = reader.get("/catalog/views/people_safe").json()
        problem(reader.get("/catalog/views/other"), 404, "not_found")
        problem(reader.post("/catalog/views", json=VIEW), 403, "forbidden")
        problem(reader.delete("/catalog/views/people_safe"), 403, "forbidden")
    assert (shown["base_dataset"], shown["row_filter"]) == (None, None)
    assert people.admin.get("/catalog/views/people_safe").json()["row_filter"] == VIEW["row_filter"]
    with people.reader("raw") as reader:
        problem(reader.get("/catalog/views/people_safe"), 404, "not_found")


def test_the_admin_sees_the_view_as_its_readers_do(people: Api) -> None:
    statement = {"sql": 'select count(*) as n, count(distinct "EmailAddress") as e from people_safe'}
    with people.reader("safe") as reader:
        assert (
            people.admin.post("/query/sql", json=statement).json()["rows"]
            == (reader.post("/query/sql", json=statement).json()["rows"])
        )


def test_the_index_over_the_view_holds_redacted_texts(people: Api) -> None:
    with people.deployed.connect("owner") as connection:
        texts = [text for (text,) in connection.execute("select content from vec.safe_v1_text").fetchall()]
        names = {
            name for (name,) in connection.execute('select distinct "GivenName" from lake.people').fetchall()
        }
    assert texts
    assert not [text for text in texts if text.split()[0] in names]


def test_rows_that_leave_the_view_take_their_chunks_along(people: Api) -> None:
    """In the transaction that takes them out; another column's change touches nothing."""
    with people.deployed.connect("owner") as connection:
        before = chunks(connection)
        key = connection.execute("select row_key from vec.safe_v1 order by row_key limit 1").fetchone()[0]
        connection.execute('update lake.people set "Company" = "Company" || \'.\' where "Number" = %s', [key])
        assert chunks(connection) == before
        connection.execute('update lake.people set "Country" = \'XX\' where "Number" = %s', [key])
        assert chunks(connection) == before - 1
        assert connection.execute("select count(*) from vec.safe_v1_pending").fetchone() == (0,)
        connection.execute('update lake.people set "Country" = \'DE\' where "Number" = %s', [key])
        assert connection.execute("select row_key from vec.safe_v1_pending").fetchall() == [(key,)]
    people.index("people_safe", "GivenName", "Occupation", name="safe_v1")
    with people.deployed.connect("owner") as connection:
        assert chunks(connection) == before


def chunks(connection: Any) -> int:
    """How many chunks the index has."""
    found: int = connection.execute("select count(*) from vec.safe_v1").fetchone()[0]
    return found


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"base_dataset": "people_safe"}, 400, "a view of a view"),
    ({"base_dataset": "nothing"}, 404, "no dataset"),
    ({"columns": ["Number", "nothing"]}, 404, "'nothing'"),
    ({"columns": ["Number", "Number"]}, 400, "twice"),
    ({"columns": []}, 400, "columns"),
    ({"name": "people"}, 409, "a dataset has the name"),
    ({"name": "no way"}, 400, "no_way"),
    ({"redactions": {"Surname": {"action": "null"}}}, 400, "does not list"),
    ({"redactions": {"Age": {"action": "truncate_to_year"}}, "columns": ["Age"]}, 400, "does not fit"),
    ({"redactions": {"City": {"action": "hash", "keep_prefix": 1}}}, 400, "keep_prefix"),
    ({"row_filter": '"Number" in (select 1)'}, 400, "row filter"),
    ({"row_filter": "nothing = 1"}, 400, "nothing"),
    ({"row_filter": "\"Age\" < 'x'"}, 400, "x"),
    ({"row_filter": "true; drop table lake.people"}, 400, "row filter"),
    ({"row_filter": "(" * 10_000 + "true" + ")" * 10_000}, 400, "row filter"),
    ({"row_filter": "x" * 1_000_000}, 400, "row filter"),
]


@pytest.mark.parametrize(("change", "status", "says"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_view_that_cannot_be_is_refused_with_the_way_out(
    people: Api, change: dict[str, Any], status: int, says: str
) -> None:
    answer = people.admin.post("/catalog/views", json={**VIEW, "name": "other", "redactions": {}, **change})
    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"], answer.text
    assert [view["name"] for view in people.admin.get("/catalog/views").json()["items"]] == ["people_safe"]


def test_what_is_used_is_not_taken_away(people: Api) -> None:
    refused = problem(people.admin.delete("/catalog/datasets/by-name/people"), 409, "in_use")
    assert "people_safe" in refused["detail"] and "safe_v1" in refused["detail"]
    assert "safe_v1" in problem(people.admin.delete("/catalog/views/people_safe"), 409, "in_use")["detail"]
    changed = {**VIEW, "columns": COLUMNS[:-1]}
    assert "safe_v1" in problem(people.admin.post("/catalog/views", json=changed), 409, "in_use")["detail"]
    again = people.admin.post("/catalog/views", json=VIEW)
    assert again.status_code == 200, again.text


def test_a_changed_view_is_changed_for_its_readers_and_a_deleted_one_gone(people: Api) -> None:
    made = {"name": "adults", "base_dataset": "people", "columns": ["Number", "City"]}
    created = people.admin.post("/catalog/views", json=made)
    assert created.status_code == 201, created.text
    people.profile("changing", "adults")
    with people.reader("changing") as reader:
        query = {"sql": 'select * from adults order by "Number" limit 1'}
        assert reader.post("/query/sql", json=query).json()["rows"][0][0] == 1
        changed = {**made, "row_filter": '"Number" > 10', "redactions": {"City": {"action": "null"}}}
        assert people.admin.post("/catalog/views", json=changed).status_code == 200
        assert reader.post("/query/sql", json=query).json()["rows"] == [[11, None]]
        moved = people.admin.post("/catalog/views", json={**changed, "description": "moved"})
        assert moved.json()["description"] == "moved"
        deleted = people.admin.delete("/catalog/views/adults").json()
        assert deleted == {"name": "adults", "unbound_profiles": ["changing"]}
        problem(reader.post("/query/sql", json=query), 400, "invalid_query")
        assert reader.get("/whoami").json()["relations"] == []
