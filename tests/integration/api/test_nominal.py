"""The main job, from a file to a scoped search, as the README tells it."""

import io
import json
import random

import pyarrow as pa
import pytest

from tests.integration.api.conftest import Api, problem

#: Words drawn at random: the fake model knows nothing but words, and texts that share most of them make a poor graph.
WORDS = random.Random(7)
THREATS = "\n".join(
    ["cve,vendor,text"]
    + [
        f"CVE-{n},{'acme' if n % 2 else 'globex'},number{n} "
        + " ".join(f"w{WORDS.randrange(400)}" for _ in range(8))
        for n in range(300)
    ]
)
PEOPLE = "id,name,skills\n" + "\n".join(f"{n},Person {n},python sql s{n}" for n in range(40))


@pytest.fixture(scope="module")
def world(api: Api) -> Api:
    assert api.ingest("threats", THREATS, row_key="cve").status_code == 201
    assert api.ingest("people", PEOPLE, row_key="id").status_code == 201
    api.profile("analyst", "threats")
    api.profile("recruiter", "people")
    api.index("threats", "text")
    api.index("people", "skills")
    return api


def test_search_is_exact_until_the_profile_is_activated_and_hnsw_after(world: Api) -> None:
    reader = world.reader("analyst")
    body = {"index": "threats_v1", "query": "number77 " + THREATS.splitlines()[78].rsplit(",")[-1], "k": 3}
    before = reader.post("/vectors/profile/analyst/search", json=body).json()
    assert (before["method"], before["returned"], before["truncated"]) == ("exact", 3, False)
    activation = reader.post("/vectors/profile/analyst/activate").json()
    assert activation["failures"] == []
    assert activation["warmed"][0]["vectors"] == 300
    assert activation["warmed"][0]["variant"] == {"m": 16, "ef_construction": 80}
    after = reader.post("/vectors/profile/analyst/search", json=body).json()
    assert after["method"] == "hnsw"
    assert after["hits"][0]["doc_key"] == "CVE-77"
    assert after["hits"][0]["metadata"] == {"cve": "CVE-77", "vendor": "acme"}
    assert after["stale_rows"] == 0
    again = reader.post("/vectors/profile/analyst/activate").json()
    assert again["warmed"][0]["built"] is False


def test_the_other_index_is_refused_with_what_is_allowed(world: Api) -> None:
    reader = world.reader("analyst")
    body = {"index": "people_v1", "query": "python"}
    refusal = problem(reader.post("/vectors/profile/analyst/search", json=body), 403, "profile_not_bound")
    assert refusal["allowed_bindings"] == ["threats"]
    assert "analyst" in refusal["detail"] and "people" in refusal["detail"]
    problem(reader.post("/vectors/profile/recruiter/search", json=body), 403, "forbidden")


def test_a_search_never_answers_fewer_than_there_are(world: Api) -> None:
    reader = world.reader("recruiter")
    answer = reader.post(
        "/vectors/profile/recruiter/search", json={"index": "people_v1", "query": "x", "k": 100}
    )
    assert answer.json()["returned"] == 40
    assert answer.json()["truncated"] is False


def test_an_admin_acting_as_a_reader_gets_what_the_reader_gets(world: Api) -> None:
    reader = world.reader("analyst")
    acting = {"X-Lakehouse-Profile": "analyst"}
    for path in ("/whoami", "/catalog/datasets", "/catalog/profiles", "/vectors/indexes"):
        mine, theirs = reader.get(path).json(), world.admin.get(path, headers=acting).json()
        mine.pop("principal", None), theirs.pop("principal", None)
        assert mine == theirs, path
    problem(world.admin.get("/access/keys", headers=acting), 403, "forbidden")


def test_a_reader_sees_its_own_part_of_the_catalog_and_nothing_else(world: Api) -> None:
    reader = world.reader("analyst")
    assert reader.get("/whoami").json()["relations"] == ["threats"]
    assert [d["name"] for d in reader.get("/catalog/datasets").json()["items"]] == ["threats"]
    assert [p["id"] for p in reader.get("/catalog/profiles").json()["items"]] == ["analyst"]
    assert [i["name"] for i in reader.get("/vectors/indexes").json()["items"]] == ["threats_v1"]
    problem(reader.get("/catalog/datasets/by-name/people"), 404, "not_found")
    problem(reader.get("/catalog/profiles/recruiter"), 404, "not_found")
    problem(reader.get("/vectors/indexes/people_v1"), 404, "not_found")
    for path in ("/access/keys", "/vectors/jobs"):
        problem(reader.get(path), 403, "forbidden")
    problem(reader.post("/catalog/datasets", json={"name": "x"}), 403, "forbidden")
    problem(reader.delete("/catalog/datasets/by-name/threats"), 403, "forbidden")


def test_analytic_sql_holds_the_profile_s_relations_alone(world: Api) -> None:
    reader = world.reader("analyst")
    sql = "select vendor, count(*) as n from threats group by vendor order by vendor"
    answer = reader.post("/query/sql", json={"sql": sql}).json()
    assert answer["rows"] == [["acme", 150], ["globex", 150]]
    assert answer["engine"] == "datafusion" and answer["truncated"] is False
    problem(reader.post("/query/sql", json={"sql": "select * from people"}), 400, "invalid_query")
    arrow = reader.post(
        "/query/sql", json={"sql": sql}, headers={"Accept": "application/vnd.apache.arrow.stream"}
    )
    table = pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    assert table.to_pydict() == {"vendor": ["acme", "globex"], "n": [150, 150]}
    lines = reader.post("/query/sql", json={"sql": sql}, headers={"Accept": "application/x-ndjson"}).text
    assert json.loads(lines.splitlines()[0]) == {"vendor": "acme", "n": 150}
    csv = reader.post("/query/sql", json={"sql": sql}, headers={"Accept": "text/csv"}).text
    assert csv.splitlines()[0] == '"vendor","n"'


def test_a_row_that_goes_or_changes_is_gone_from_search_in_the_same_transaction(world: Api) -> None:
    reader = world.reader("recruiter")

    def found(query: str) -> list[str]:
        body = {"index": "people_v1", "query": query, "k": 1}
        return [
            h["doc_key"] for h in reader.post("/vectors/profile/recruiter/search", json=body).json()["hits"]
        ]

    assert found("s7") == ["7"]
    with world.deployed.connect("owner") as owner:
        owner.execute("delete from lake.people where id = 7")
        owner.execute("update lake.people set name = 'renamed' where id = 8")
        owner.execute("update lake.people set skills = 'cobol' where id = 9")
    assert found("s7") != ["7"]
    assert found("s8") == ["8"], "an unrelated column takes no chunk away"
    answer = reader.post(
        "/vectors/profile/recruiter/search", json={"index": "people_v1", "query": "cobol", "k": 40}
    ).json()
    assert answer["stale_rows"] == 1
    assert "9" not in [hit["doc_key"] for hit in answer["hits"]]
    world.index("people", "skills")
    assert found("cobol") == ["9"]


def test_the_same_file_again_loads_nothing(world: Api) -> None:
    again = world.ingest("people", PEOPLE, row_key="id")
    assert again.status_code == 200
    assert again.json()["duplicate"] is True


def test_an_index_of_the_same_name_is_resumed_or_refused(world: Api) -> None:
    same = world.admin.post("/vectors/index", json={"source": "threats", "text_columns": ["text"]})
    assert same.status_code == 202
    other = world.admin.post("/vectors/index", json={"source": "threats", "text_columns": ["vendor"]})
    assert "text_columns" in problem(other, 409, "conflict")["detail"]
