"""/catalog/erasures: asked for by admins alone, answered as a job, listed, with a receipt at the end."""

import pytest

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]
CSV = "id,name,mail\n" + "".join(f"{n},Person Number{n},person{n}@example.org\n" for n in range(1, 51))
ERASURES = "/catalog/erasures"


@pytest.fixture(scope="module")
def people(api: Api) -> Api:
    """50 people, and some things without a key."""
    assert api.ingest("people", CSV, row_key="id").status_code == 201
    assert api.ingest("keyless", "a,b\n1,2\n").status_code == 201
    api.profile("reader", "people")
    return api


def ask(api: Api, *keys: object, **fields: object) -> dict[str, object]:
    return {"dataset": "people", "row_key_values": list(keys), "reason": "asked by the person"} | fields


def test_what_cannot_be_is_refused_with_the_way_out(people: Api) -> None:
    def refused(body: object, status: int, code: str) -> str:
        return str(problem(people.admin.post(ERASURES, json=body), status, code)["detail"])

    refused(ask(people, 1, dataset="nothing"), 404, "not_found")
    assert "row key" in refused(ask(people, 1, dataset="keyless"), 409, "conflict")
    assert "row_key_values[1] is no bigint" in refused(ask(people, 1, "x; drop table"), 400, "invalid_input")
    refused(ask(people), 400, "invalid_input")
    refused(ask(people, "a\0b"), 400, "invalid_input")
    refused(ask(people, 1, reason=""), 400, "invalid_input")
    refused(ask(people, 1, force=True), 400, "invalid_input")
    for unknown in ("nothing", "00000000-0000-0000-0000-000000000000"):
        problem(people.admin.get(f"{ERASURES}/{unknown}"), 404, "not_found")
        problem(people.admin.get(f"{ERASURES}/{unknown}/receipt"), 404, "not_found")
    assert people.admin.get(ERASURES).json() == {"items": [], "next_cursor": None}


def test_it_is_the_admins_alone(people: Api) -> None:
    with people.reader("reader") as reader:
        problem(reader.post(ERASURES, json=ask(people, 1)), 403, "forbidden")
        for path in ("", "/x", "/x/receipt"):
            problem(reader.get(ERASURES + path), 403, "forbidden")


def test_an_erasure_is_a_job_that_ends_with_a_receipt(people: Api) -> None:
    accepted = people.admin.post(ERASURES, json=ask(people, "007", 7))
    assert accepted.status_code == 202, accepted.text
    erasure = accepted.json()
    path = f"{ERASURES}/{erasure['id']}"
    job = people.wait(erasure["job_id"])
    assert (job["state"], job["kind"], job["subject"]) == ("succeeded", "erasure", "people"), job
    found = people.admin.get(path).json()
    assert (found["state"], found["step"], found["keys"]) == ("succeeded", "write_receipt", 1)
    assert found["progress"]["done"] == found["progress"]["total"] == 8
    answer = people.admin.get(f"{path}/receipt").json()
    assert answer["sha256"] == job["result"]["receipt_sha256"]
    assert answer["receipt"]["removed"]["rows"] == 1 and answer["receipt"]["scan_after"]["places"] == []
    assert people.admin.get("/catalog/datasets/by-name/people").json()["row_count"] == 49
    everything = people.admin.get(path).text + people.admin.get(f"{path}/receipt").text
    assert "Number7" not in everything and "person7@" not in everything
    undo = {"row_key_column": "id", "row_key_values": [7]}
    undone = people.admin.post("/catalog/datasets/by-name/people/tombstone/undo", json=undo).json()
    assert (undone["restored"], undone["purged"]) == (0, 1)


def test_erasures_are_paged_newest_first_and_a_dry_run_has_no_receipt(people: Api) -> None:
    ids = []
    for key in (8, 9):
        accepted = people.admin.post(ERASURES, json=ask(people, key, dry_run=True)).json()
        assert people.wait(accepted["job_id"])["state"] == "succeeded"
        ids.append(accepted["id"])
    first = people.admin.get(ERASURES, params={"limit": 1}).json()
    rest = people.admin.get(ERASURES, params={"cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]][:2] == ids[::-1]
    assert (
        "no receipt" in problem(people.admin.get(f"{ERASURES}/{ids[0]}/receipt"), 404, "not_found")["detail"]
    )
