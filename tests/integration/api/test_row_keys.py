"""A row key of each type goes through ingest, index, search and analytic SQL unharmed."""

import json

import pytest

from tests.integration.api.conftest import Api, problem

KEYS = {
    "text": ["a", "ü'%", "00000000-0000-0000-0000-000000000001"],
    "bigint": ["-5", "1", "9223372036854775807"],
    "numeric": ["12345678901234567890.5", "1.1", "2"],
    "date": ["0001-01-01", "2020-01-01", "9999-12-31"],
    "boolean": ["false", "true"],
    "timestamp": ["1970-01-01 00:00:00", "2020-01-01 00:00:00.000001"],
    "timestamptz": ["1999-01-01 00:00:00+00", "2020-01-01 00:00:00+00"],
    "time": ["00:00:00", "23:59:59.999999"],
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_row_key_comes_back_as_it_went_in(api: Api, kind: str) -> None:
    name, keys = f"keys_{kind}", KEYS[kind]
    columns = [{"name": "k", "type": kind}, {"name": "t", "type": "text"}]
    answer = api.admin.post("/catalog/datasets", json={"name": name, "row_key": "k", "columns": columns})
    assert answer.status_code == 201, answer.text
    content = "k,t\n" + "".join(f"{key},hello {number}\n" for number, key in enumerate(keys))
    assert api.ingest(name, content).status_code == 201
    index = api.index(name, "t")
    profile = f"p-{kind}"
    api.profile(profile, name)
    with api.reader(profile) as reader:
        found = reader.post(f"/vectors/profile/{profile}/search", json={"index": index, "query": "hello"})
        counted = reader.post("/query/sql", json={"sql": f"select count(distinct k) from {name}"})
    assert sorted(hit["doc_key"] for hit in found.json()["hits"]) == sorted(keys)
    assert counted.json()["rows"] == [[len(keys)]]


def test_a_list_is_no_row_key_for_an_index(api: Api) -> None:
    content = json.dumps([{"k": ["a", str(number)], "t": "x"} for number in range(3)])
    assert api.ingest("lists", content, "lists.json", row_key="k").status_code == 201
    answer = api.admin.post("/vectors/index", json={"source": "lists", "text_columns": ["t"]})
    problem(answer, 400, "invalid_input")
