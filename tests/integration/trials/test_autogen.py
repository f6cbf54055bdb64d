"""An eval set that is made of rows: what is there already is not replaced unasked, nor mixed."""

import concurrent.futures
from typing import Any

from tests.integration.api.conftest import Api, problem

EVALS = "/vectors/hnsw/evals"


def autogen(api: Api, name: str, count: int, **fields: Any) -> Any:
    body = {"index": "notes_v1", "queries": count, **fields}
    return api.admin.post(f"{EVALS}/{name}/autogen", json=body)


def test_the_same_again_changes_nothing_and_others_are_refused(measured: Api) -> None:
    first = autogen(measured, "again", 7).json()
    assert (first["queries"], first["generated"]) == (7, 7)
    assert autogen(measured, "again", 7).json() == first
    refused = problem(autogen(measured, "again", 9), 409, "conflict")["detail"]
    assert "'again' has other questions: 7 made of rows, 0 that were given" in refused
    assert "--replace" in refused
    assert autogen(measured, "again", 7).json() == first
    replaced = autogen(measured, "again", 9, replace=True).json()
    assert replaced["queries"] == 9 and replaced["version"] != first["version"]
    assert replaced["created_at"] == first["created_at"]
    assert autogen(measured, "again", 9, replace=True).json() == replaced


def test_questions_that_were_given_are_not_mixed_with_made_ones(measured: Api) -> None:
    given = {
        "name": "byhand",
        "index": "notes_v1",
        "queries": [{"text": "w1"}, {"vector": [1.0] + [0.0] * 383}],
    }
    assert measured.admin.post(EVALS, json=given).status_code == 201
    refused = problem(autogen(measured, "byhand", 5), 409, "conflict")["detail"]
    assert "0 made of rows, 2 that were given" in refused
    replaced = autogen(measured, "byhand", 5, replace=True).json()
    assert (replaced["queries"], replaced["generated"]) == (5, 5)


def test_a_set_that_has_nothing_any_more_is_filled(measured: Api) -> None:
    assert autogen(measured, "emptied", 5).status_code == 200
    with measured.deployed.connect("owner") as owner:
        owner.execute(
            "delete from lakeward.eval_query where eval_id = (select id from lakeward.eval_set where name = 'emptied')"
        )
    assert autogen(measured, "emptied", 6).json()["queries"] == 6


def test_two_at_once_make_one_of_them(measured: Api) -> None:
    assert autogen(measured, "raced", 3).status_code == 200
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for start in range(10, 90, 4):
            answers = pool.map(lambda n: autogen(measured, "raced", n, replace=True), range(start, start + 4))
            assert {answer.status_code for answer in answers} == {200}
            found = {one["name"]: one for one in measured.admin.get(EVALS).json()["items"]}["raced"]
            assert found["queries"] in range(start, start + 4)
