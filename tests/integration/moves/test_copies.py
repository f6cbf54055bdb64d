"""What is not for rows in files says so with the way out, and an erasure names the copies it does not reach."""

from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

ROWS = "id,note\n" + "".join(f"{n},a note about number {n * 7919}\n" for n in range(1, 41))


def test_rows_in_files_have_no_index_and_no_erasure(api: Api) -> None:
    assert api.ingest("filed", ROWS, row_key="id", home="bucket").status_code == 201
    index = api.admin.post("/vectors/index", json={"source": "filed", "text_columns": ["note"]})
    assert "materialize" in problem(index, 400, "invalid_input")["detail"]
    erasure = {"dataset": "filed", "row_key_values": ["1"], "reason": "asked"}
    assert "compact" in problem(api.admin.post("/catalog/erasures", json=erasure), 409, "conflict")["detail"]
    registered = api.admin.post("/catalog/datasets", json={"name": "other", "home": "bucket"})
    assert "attach" in problem(registered, 400, "invalid_input")["detail"]


def test_a_receipt_names_the_copies_of_the_dataset(api: Api) -> None:
    assert api.ingest("people", ROWS, row_key="id").status_code == 201
    for source, action, target in (("people", "export", "people_b"), ("people_b", "materialize", "people_c")):
        path = f"/catalog/datasets/by-name/{source}/{action}"
        answer = api.admin.post(path, json={"target": target})
        assert api.wait(answer.json()["job_id"])["state"] == "succeeded", answer.text
    erasure = {"dataset": "people", "row_key_values": ["3"], "reason": "asked"}
    accepted = api.admin.post("/catalog/erasures", json=erasure).json()
    assert api.wait(accepted["job_id"])["state"] == "succeeded"
    receipt = api.admin.get(f"/catalog/erasures/{accepted['id']}/receipt").json()["receipt"]
    named = [line.rpartition(" ")[2] for line in receipt["not_reached"] if line.startswith("a copy")]
    assert named == ["people_b", "people_c"], receipt["not_reached"]
