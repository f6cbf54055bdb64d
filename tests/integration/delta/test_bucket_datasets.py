"""A dataset whose home is a bucket answers as one in Postgres does, through a view and a low clearance, too."""

from typing import Any

import pytest
from deltalake import DeltaTable

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

CSV = "id,name,born,score,price,at\n" + "".join(
    f"{n},person {n},{1950 + n % 50}-01-{n % 28 + 1:02},{n / 7},{n}.{n % 100:02},10:00:{n % 60:02}\n"
    for n in range(1, 201)
)


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """The same 200 people in Postgres and in a bucket, a view of each, and a reader of each."""
    for name, home in (("people", "table"), ("people_b", "bucket")):
        answer = api.ingest(name, CSV, "people.csv", row_key="id", home=home)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["home"], answer.json()["rows"]) == (home, 200)
        view = {
            "name": f"{name}_safe",
            "base_dataset": name,
            "columns": ["id", "name", "born"],
            "row_filter": "score < 20",
            "redactions": {
                "id": {"action": "hash"},
                "name": {"action": "mask", "keep_prefix": 1, "keep_suffix": 1},
                "born": {"action": "truncate_to_year"},
            },
        }
        assert api.admin.post("/catalog/views", json=view).status_code == 201
        api.profile(f"raw_{home}", name)
        api.profile(f"safe_{home}", f"{name}_safe")
    return api


def rows(api: Api, profile: str | None, statement: str) -> Any:
    body = {"sql": statement}
    if profile is None:
        answer = api.admin.post("/query/sql", json=body)
    else:
        with api.reader(profile) as reader:
            answer = reader.post("/query/sql", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


QUESTIONS = [
    ("raw", "select * from {} order by id"),
    ("raw", "select count(*), min(name), max(score) from {}"),
    ("safe", "select * from {}_safe order by name, id"),
    ("safe", "select born, count(*) from {}_safe group by born order by born"),
    (None, "select count(*) from {}_safe"),
    (None, "select id, name from {} where id in (3, 7) order by id"),
]


def answers(api: Api, home: str) -> list[Any]:
    name = "people" if home == "table" else "people_b"
    return [rows(api, who and f"{who}_{home}", question.format(name)) for who, question in QUESTIONS]


def test_both_homes_give_the_same_answers(people: Api) -> None:
    assert answers(people, "bucket") == answers(people, "table")
    joined = rows(
        people, None, "select count(*) from people p join people_b b using (id) where p.name = b.name"
    )
    assert joined == [[200]]


def test_what_is_not_shown_is_not_there(people: Api) -> None:
    with people.reader("safe_bucket") as reader:
        for statement in ("select score from people_b_safe", "select * from people_b", "select * from base"):
            problem(reader.post("/query/sql", json={"sql": statement}), 400, "invalid_query")
        manifest = reader.get("/catalog/datasets").json()["items"]
        assert manifest == []
    for home in ("table", "bucket"):
        name = "people" if home == "table" else "people_b"
        people.admin.patch(
            f"/catalog/datasets/by-name/{name}/metadata",
            json={"columns": {"name": {"sensitivity": "restricted"}}},
        )
    assert answers(people, "bucket") == answers(people, "table")
    assert rows(people, "raw_bucket", "select name from people_b where id = 1") != [["person 1"]]


def test_the_rules_hold(people: Api) -> None:
    answer = people.admin.get("/ready")
    assert answer.status_code == 200, answer.text


def test_append_merge_and_replace(people: Api) -> None:
    def load(content: str, **form: str) -> list[Any]:
        found = []
        for name in ("people", "people_b"):
            answer = people.ingest(name, content, "more.csv", **form)
            body = answer.json()
            found.append((answer.status_code, body.get("rows"), body.get("tombstoned"), body.get("code")))
        return found

    head = CSV.splitlines()[0] + "\n"
    for content, form, status in (
        (head + "901,new one,1990-01-01,1.5,1.00,10:00:00\n", {}, 201),
        (head + "901,twice,1990-01-01,1.5,1.00,10:00:00\n", {}, 409),
        (
            head + "901,changed,1991-01-01,2.5,2.00,10:00:01\n902,x,1990-01-01,1.5,1.25,10:00:02\n",
            {"disposition": "merge"},
            201,
        ),
        (head + "x,y,1990-01-01,1.5,1.00,10:00:00\n", {}, 409),
        (CSV + "903,last,1990-01-01,1.5,1.00,10:00:00\n", {"disposition": "replace"}, 201),
    ):
        in_table, in_bucket = load(content, **form)
        assert in_table == in_bucket and in_table[0] == status, (content[-60:], in_table, in_bucket)
        assert answers(people, "bucket") == answers(people, "table")
    manifests = [
        people.admin.get(f"/catalog/datasets/by-name/{name}").json() for name in ("people", "people_b")
    ]
    assert manifests[0]["row_count"] == manifests[1]["row_count"] == 201


def test_a_new_column_is_closed_until_it_is_classified(people: Api) -> None:
    head = CSV.splitlines()[0]
    answer = people.ingest(
        "people_b", f"{head},extra\n950,e,1990-01-01,1.5,1.00,10:00:00,secret\n", "extra.csv"
    )
    assert answer.status_code == 201, answer.text
    columns = {column["name"]: column["sensitivity"] for column in answer.json()["columns"]}
    assert columns["extra"] == "unclassified"
    assert rows(people, None, "select extra, count(*) from people_b group by extra order by extra") == [
        ["secret", 1],
        [None, 201],
    ]
    with people.reader("raw_bucket") as reader:
        problem(reader.post("/query/sql", json={"sql": "select extra from people_b"}), 400, "invalid_query")


def test_others_read_it_as_delta(people: Api) -> None:
    with people.deployed.connect("owner") as owner:
        location, version = owner.execute(
            "select b.location, b.delta_version from lakeward.bucket_dataset b"
            " join lakeward.dataset d on d.id = b.dataset_id where d.name = 'people_b'"
        ).fetchone()
    table = DeltaTable(people.settings.home / "buckets" / "local" / location)
    assert table.version() == version
    assert table.to_pyarrow_table().num_rows == 202
