"""Loading again: what a file brings is there afterwards, whatever came between."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.api.conftest import Api, problem

FIRST = "k,v\n1,a\n2,b\n"


def rows(api: Api, dataset: str) -> list[list[object]]:
    answer = api.admin.post("/query/sql", json={"sql": f"select * from {dataset} order by 1"})
    assert answer.status_code == 200, answer.text
    found: list[list[object]] = answer.json()["rows"]
    return found


def test_replacing_by_an_earlier_file_takes_away_what_others_brought(api: Api) -> None:
    for content in (FIRST, "k,v\n3,c\n"):
        assert api.ingest("again", content, row_key="k").status_code == 201
    answer = api.ingest("again", FIRST, disposition="replace")
    assert (answer.status_code, answer.json()["duplicate"]) == (201, False)
    assert rows(api, "again") == [[1, "a"], [2, "b"]]
    assert api.ingest("again", FIRST, disposition="replace").json()["duplicate"] is True


def test_merging_an_earlier_file_brings_its_values_back(api: Api) -> None:
    assert api.ingest("merged", FIRST, row_key="k").status_code == 201
    assert api.ingest("merged", "k,v\n1,z\n", disposition="merge").status_code == 201
    assert api.ingest("merged", FIRST, disposition="merge").status_code == 201
    assert rows(api, "merged") == [[1, "a"], [2, "b"]]
    assert api.ingest("merged", FIRST, disposition="merge").json()["duplicate"] is True


@pytest.mark.parametrize(("first", "second"), [("k,v\na,1\n", "k,v\n1,1\n"), ("k,v\n1.5,1\n", "k,v\n2,1\n")])
def test_row_keys_of_another_type_are_compared_as_the_datasets(api: Api, first: str, second: str) -> None:
    name = f"typed_{abs(hash(first)) % 1000}"
    assert api.ingest(name, first, row_key="k").status_code == 201
    assert api.ingest(name, second).status_code == 201
    problem(api.ingest(name, second + "\n"), 409, "duplicate_row_key")
    assert len(rows(api, name)) == 2


def test_two_first_loads_at_once_both_count(api: Api) -> None:
    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(lambda _: api.ingest("same", FIRST, row_key="k"), range(4)))
        other = list(pool.map(lambda n: api.ingest("other", f"k\n{n}\n"), range(4)))
    assert sorted(answer.status_code for answer in same) == [200, 200, 200, 201]
    assert [answer.status_code for answer in other] == [201] * 4
    assert len(rows(api, "same")) == 2 and len(rows(api, "other")) == 4
