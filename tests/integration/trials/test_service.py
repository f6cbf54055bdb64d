"""Eval sets, what is refused, the best, the picture, autotune, and what readers are told."""

from typing import Any
from xml.etree import ElementTree

import pytest

from app.trials.plan import Room
from tests.integration.api.conftest import Api, problem
from tests.integration.trials.conftest import defer, journal

ARM = {"m": 4, "ef_construction": 8, "ef_search": [10, 60]}
UNIT = [1.0] + [0.0] * 383


def evals(api: Api, **fields: Any) -> Any:
    return api.admin.post("/vectors/hnsw/evals", json={"name": "mine", "index": "notes_v1", **fields})


def test_an_eval_set_is_kept_listed_and_deleted(measured: Api) -> None:
    made = evals(measured, queries=[{"text": "w1 w2", "relevant": ["1"]}, {"vector": UNIT}])
    assert made.status_code == 201, made.text
    assert {**made.json(), "version": "", "created_at": 0, "created_by": ""} == {
        "name": "mine", "index": "notes_v1", "queries": 2, "generated": 0, "judged": 1, "version": "",
        "created_by": "", "created_at": 0,
    }  # fmt: skip
    problem(evals(measured, queries=[{"text": "x"}]), 409, "conflict")
    listed = measured.admin.get("/vectors/hnsw/evals").json()["items"]
    assert [item["name"] for item in listed] == ["mine", "rows"] and "w1" not in str(listed)
    job = measured.wait(defer(measured, ARM, eval="mine"))
    assert job["state"] == "succeeded" and journal(measured, job["id"])[0]["queries"] == 2
    assert measured.admin.delete("/vectors/hnsw/evals/mine").json()["queries"] == 2
    problem(measured.admin.delete("/vectors/hnsw/evals/mine"), 404, "not_found")
    assert len(journal(measured, job["id"])) == 2, "what was measured stays"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"queries": []}, 400, "invalid_input"),
        ({"queries": [{}]}, 400, "invalid_input"),
        ({"queries": [{"text": " "}]}, 400, "invalid_input"),
        ({"queries": [{"text": "a\0"}]}, 400, "invalid_input"),
        ({"queries": [{"text": "a", "limit": 1}]}, 400, "invalid_input"),
        ({"queries": [{"vector": [1.0]}]}, 400, "dimension_mismatch"),
        ({"queries": [{"vector": []}]}, 400, "dimension_mismatch"),
        ({"queries": [{"text": "a"}], "index": "nothing"}, 404, "not_found"),
        ({"queries": [{"text": "a"}], "name": "No; drop table"}, 400, "invalid_name"),
    ],
)
def test_an_eval_set_that_cannot_be_is_refused(measured: Api, fields: Any, status: int, code: str) -> None:
    problem(evals(measured, **fields), status, code)


def test_questions_are_made_of_rows_and_by_default_none_are_kept(measured: Api) -> None:
    path = "/vectors/hnsw/evals/again/autogen"
    first = measured.admin.post(path, json={"index": "notes_v1", "queries": 7}).json()
    assert (first["queries"], first["generated"]) == (7, 7)
    refused = measured.admin.post(path, json={"index": "notes_v1", "queries": 9, "source": "log"})
    assert "set audit.keep_questions" in problem(refused, 400, "invalid_input")["detail"]
    problem(measured.admin.post(path, json={"index": "notes_v1", "queries": 0}), 400, "invalid_input")
    problem(measured.admin.post(path, json={"index": "nothing"}), 404, "not_found")
    with measured.deployed.connect("owner") as owner:
        kept = owner.execute("select question, vector, relevant from lakeward.eval_query").fetchall()
    assert set(map(str, kept)) == {"(None, None, [])"}, "no text of a row is kept"


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"index": "nothing"}, 404, "nothing"),
        ({"eval": "nothing"}, 404, "nothing"),
        ({"arms": []}, 400, "arms"),
        ({"arms": [ARM] * 10_000}, 400, "arms"),
        ({"arms": [{**ARM, "m": 1}]}, 400, "m"),
        ({"arms": [{**ARM, "m": 101}]}, 400, "m"),
        ({"arms": [{**ARM, "m": 5}]}, 400, "2 * m"),
        ({"arms": [{**ARM, "ef_search": [1001]}]}, 400, "ef_search"),
        ({"arms": [{**ARM, "ef_search": [0]}]}, 400, "ef_search"),
        ({"arms": [{**ARM, "ef_search": [9]}]}, 400, "below k"),
        ({"arms": [{**ARM, "ef_search": []}]}, 400, "ef_search"),
        ({"arms": [{**ARM, "type": "ivfflat"}]}, 400, "type"),
        ({"arms": [{**ARM, "ef": 1}]}, 400, "ef"),
        ({"k": 101}, 400, "k"),
    ],
)
def test_a_trial_that_cannot_be_is_refused(measured: Api, fields: Any, status: int, message: str) -> None:
    body = {"index": "notes_v1", "eval": "rows", "arms": [ARM], **fields}
    answer = measured.admin.post("/vectors/hnsw/trial", json=body)
    assert answer.status_code == status and message in answer.text, answer.text


def test_an_eval_set_of_another_index_is_refused(measured: Api) -> None:
    measured.index("notes", "t", name="other_v1")
    body = {"index": "other_v1", "eval": "rows", "arms": [ARM]}
    refused = problem(measured.admin.post("/vectors/hnsw/trial", json=body), 400, "invalid_input")
    assert "asks index 'notes_v1'" in refused["detail"]
    tune = {"index": "other_v1", "eval": "rows", "target_recall": 0.9}
    problem(measured.admin.post("/vectors/hnsw/autotune", json=tune), 400, "invalid_input")
    path = "/vectors/hnsw/evals/rows/autogen"
    problem(measured.admin.post(path, json={"index": "other_v1"}), 400, "invalid_input")


def test_what_does_not_fit_is_refused_before_it_starts(
    measured: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: Any) -> Room:
        return Room(memory_bytes=2**30, disk_bytes=100_000)

    monkeypatch.setattr("app.trials.service.find_room", nothing)
    body = {"index": "notes_v1", "eval": "rows", "arms": [ARM]}
    refused = problem(measured.admin.post("/vectors/hnsw/trial", json=body), 507, "disk_full")
    assert "the disk can give 1 MB" in refused["detail"]
    tune = {"index": "notes_v1", "target_recall": 0.9}
    problem(measured.admin.post("/vectors/hnsw/autotune", json=tune), 507, "disk_full")


@pytest.mark.parametrize("target", [0, 1, 2, -0.5, 0.9999])
def test_a_recall_that_nothing_reaches_is_refused(measured: Api, target: float) -> None:
    tune = {"index": "notes_v1", "target_recall": target}
    problem(measured.admin.post("/vectors/hnsw/autotune", json=tune), 400, "invalid_input")


def test_the_best_and_the_picture(measured: Api) -> None:
    job = measured.wait(defer(measured, {**ARM, "ef_search": [10, 30, 100]}))
    rows = journal(measured, job["id"])
    path = "/vectors/hnsw/trials/notes_v1"
    best = measured.admin.get(f"{path}/best", params={"metric": "recall", "eval": "rows"}).json()
    assert best["items"][0]["recall"] == max(row["recall"] for row in rows)
    fast = measured.admin.get(
        f"{path}/best", params={"metric": "latency", "min_recall": 0, "eval": "rows"}
    ).json()
    assert fast["items"][0]["p50_us"] <= min(row["p50_us"] for row in rows)
    line = measured.admin.get(f"{path}/best", params={"eval": "rows"}).json()
    assert line["metric"] == "pareto" and line["eval"] == "rows" and 1 <= len(line["items"]) <= 5
    problem(measured.admin.get(f"{path}/best", params={"metric": "luck"}), 400, "invalid_input")
    picture = measured.admin.get(f"{path}/plot", params={"job": job["id"]})
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert picture.text.count("<circle") == 3 and ElementTree.fromstring(picture.text) is not None
    problem(measured.admin.get(f"{path}/plot", params={"job": "x"}), 404, "not_found")
    problem(measured.admin.get("/vectors/hnsw/trials/nothing/plot"), 404, "not_found")
    picture = measured.admin.get(f"{path}/plot", params={"eval": "rows", "k": 10})
    assert picture.status_code == 200 and "recall@10 of 60 queries (rows)" in picture.text
    nothing = problem(measured.admin.get(f"{path}/plot", params={"k": 11}), 404, "not_found")["detail"]
    assert "nothing was measured" in nothing and "for 11 hits" in nothing
    empty = measured.admin.get(f"{path}/best", params={"k": 11})
    assert empty.status_code == 200 and empty.json()["items"] == []
    page = measured.admin.get(path, params={"limit": 2}).json()
    again = measured.admin.get(path, params={"limit": 2, "cursor": page["next_cursor"]}).json()
    ids = [row["id"] for row in (*page["items"], *again["items"])]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == 4


def test_the_best_of_an_eval_set_that_is_not_there_is_no_answer(measured: Api) -> None:
    path = "/vectors/hnsw/trials/notes_v1"
    for what in ("best", "plot"):
        refused = problem(measured.admin.get(f"{path}/{what}", params={"eval": "typo"}), 404, "not_found")
        assert "no eval set 'typo'" in refused["detail"]
    assert evals(measured, name="unmeasured", queries=[{"text": "w1"}]).status_code == 201
    asked = {"eval": "unmeasured"}
    assert measured.admin.get(f"{path}/best", params=asked).json()["items"] == []
    refused = problem(measured.admin.get(f"{path}/plot", params=asked), 404, "not_found")
    assert "nothing was measured" in refused["detail"] and "'unmeasured'" in refused["detail"]
    assert measured.ingest("others", "id,t\n1,w1\n", row_key="id").status_code == 201
    measured.index("others", "t", name="others_v1")
    for what in ("best", "plot"):
        answer = measured.admin.get(f"/vectors/hnsw/trials/others_v1/{what}", params=asked)
        assert "asks index 'notes_v1'" in problem(answer, 400, "invalid_input")["detail"]


def test_autotune_offers_a_config_with_its_evidence_and_changes_nothing(measured: Api) -> None:
    measured.profile("tuned", "notes", description="kept")
    before = measured.admin.get("/catalog/profiles/tuned").json()
    body = {"index": "notes_v1", "target_recall": 0.9, "profile": "tuned"}
    accepted = measured.admin.post("/vectors/hnsw/autotune", json=body).json()
    assert accepted["eval"] == "notes_v1_rows"
    job = measured.wait(accepted["job_id"])
    assert job["state"] == "succeeded", job
    tuned = job["result"]
    assert tuned["reached"] and tuned["best"]["recall_low"] >= 0.9
    assert tuned["config"]["ef_search"] == tuned["best"]["arm"]["ef_search"]
    # everything was measured once more in the end, and that is the evidence
    last_first = journal(measured, job["id"])
    beams = [{row["arm"]["ef_search"] for row in rows} for rows in (tuned["evidence"], last_first)]
    assert beams[0] == beams[1]
    assert [row["id"] for row in tuned["evidence"]][::-1] == [
        row["id"] for row in last_first[: len(tuned["evidence"])]
    ]
    assert len(last_first) >= 2 * len(tuned["evidence"])
    assert measured.admin.get("/catalog/profiles/tuned").json() == before
    assert measured.admin.get(tuned["plot"]).text.count("<circle") == len(tuned["evidence"])
    offer = tuned["offer"]
    answer = measured.admin.request(offer["method"], offer["path"], json=offer["body"])
    assert answer.status_code == 200, answer.text
    after = measured.admin.get("/catalog/profiles/tuned").json()
    assert after == {**before, "hnsw_config": tuned["config"]}


def test_what_autotune_cannot_do_is_refused(measured: Api) -> None:
    evals(measured, name="few", queries=[{"text": "w1"}])
    for fields, status in (({"eval": "few"}, 400), ({"eval": "no"}, 404), ({"profile": "nobody"}, 404)):
        body = {"index": "notes_v1", "target_recall": 0.95, **fields}
        answer = measured.admin.post("/vectors/hnsw/autotune", json=body)
        assert answer.status_code == status, answer.text


def test_autotune_is_for_profiles_that_search_the_index_by_pgvector(measured: Api) -> None:
    assert measured.ingest("mail", "id,t\n1,ada@example.org\n", row_key="id").status_code == 201
    measured.profile("elsewhere", "mail")
    measured.profile("lancer", "notes", vector_backend="lance")
    measured.index("mail", "t", name="mail_v1")
    with measured.deployed.connect("steward") as steward:
        steward.execute(
            "update lakeward.dataset_column set sensitivity = 'confidential' where name = 't' and dataset_id = "
            "(select id from lakeward.dataset where name = 'mail')"
        )
    body = {"index": "mail_v1", "target_recall": 0.9, "profile": "elsewhere"}
    refused = problem(measured.admin.post("/vectors/hnsw/autotune", json=body), 403, "profile_not_bound")
    assert "above the clearance of profile 'elsewhere'" in refused["detail"]
    body = {"index": "notes_v1", "target_recall": 0.9, "profile": "elsewhere"}
    refused = problem(measured.admin.post("/vectors/hnsw/autotune", json=body), 403, "profile_not_bound")
    assert refused["allowed_bindings"] == ["mail"]
    with measured.reader("elsewhere") as reader:
        search = {"index": "notes_v1", "query": "w1"}
        same = problem(
            reader.post("/vectors/profile/elsewhere/search", json=search), 403, "profile_not_bound"
        )
    assert (same["detail"], same["allowed_bindings"]) == (refused["detail"], refused["allowed_bindings"])
    answer = measured.admin.post("/vectors/hnsw/autotune", json={**body, "profile": "lancer"})
    detail = problem(answer, 400, "invalid_input")["detail"]
    assert "'lancer' searches by a copy in Lance" in detail and "vector_backend pgvector" in detail
    # no eval set was made for what was refused
    assert "mail_v1_rows" not in measured.admin.get("/vectors/hnsw/evals").text


def test_readers_are_told_of_their_own_indexes_alone_and_of_nothing_that_others_did(measured: Api) -> None:
    assert measured.ingest("secret", "id,t\n1,zq\n", row_key="id").status_code == 201
    measured.index("secret", "t", name="secret_v1")
    measured.profile("one", "notes")
    measured.profile("two", "notes", "secret", hnsw_config={"m": 8, "ef_construction": 40, "ef_search": 20})
    measured.admin.post("/vectors/profile/two/activate")
    path = "/vectors/hnsw/cache/stats"
    answer = measured.admin.get(path)
    assert answer.status_code == 200, answer.text
    told = {(item["index"], item["profile"]): item for item in answer.json()["items"]}
    assert answer.json()["next_cursor"] is None and list(told) == sorted(told) and len(told) >= 3
    paged, cursor = [], None
    while len(paged) < 50:
        page = measured.admin.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        paged += [(item["index"], item["profile"]) for item in page["items"]]
        assert len(page["items"]) <= 2 and page["shared_buffers_bytes"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == list(told)
    problem(measured.admin.get(path, params={"cursor": "x"}), 400, "invalid_input")
    assert {("notes_v1", "one"), ("notes_v1", "two"), ("secret_v1", "two")} <= set(told)
    two = told["notes_v1", "two"]
    assert two["state"] == "ready" and two["variant_bytes"] > 0 and two["blocks_hit"] > 0
    assert told["notes_v1", "one"]["state"] is None and told["notes_v1", "one"]["variant_bytes"] == 0
    with measured.reader("one") as one, measured.reader("two") as other:
        mine, theirs = one.get(path).json(), other.get(path).json()
        assert {item["profile"] for item in mine["items"]} == {"one"}
        assert {item["profile"] for item in theirs["items"]} == {"two"}
        seen = {item["index"] for item in theirs["items"]}
        assert {item["index"] for item in mine["items"]} == seen - {"secret_v1"} and "secret_v1" in seen
        for item in (*mine["items"], *theirs["items"]):
            assert {item[f] for f in ("blocks_hit", "blocks_read", "hit_ratio", "scans", "last_used_at")} == {
                None
            }
        assert mine["shared_buffers_bytes"] is None
        for method, refused in (
            ("GET", "/vectors/hnsw/evals"),
            ("GET", "/vectors/hnsw/trials/notes_v1"),
            ("GET", "/vectors/hnsw/trials/notes_v1/best"),
            ("GET", "/vectors/hnsw/trials/notes_v1/plot"),
            ("DELETE", "/vectors/hnsw/evals/rows"),
            ("POST", "/vectors/hnsw/evals"),
            ("POST", "/vectors/hnsw/evals/rows/autogen"),
            ("POST", "/vectors/hnsw/trial"),
            ("POST", "/vectors/hnsw/autotune"),
        ):
            problem(one.request(method, refused), 403, "forbidden")
