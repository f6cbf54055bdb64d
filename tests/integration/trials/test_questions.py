"""Questions that were asked are kept where the settings say so: the last ones, once each, without who asked."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import msgspec
import pytest

from app.settings import AuditSettings
from tests.integration.api.conftest import Api, problem, serving, settings_for

KEEP = 20
LOG = "asked:notes_v1"


@pytest.fixture(scope="module")
def kept(clone: Callable[[], AbstractContextManager[Any]]) -> Iterator[Api]:
    """Thirty notes, indexed, a reader, and an API that keeps the last twenty questions."""
    with clone() as deployed:
        settings = msgspec.structs.replace(settings_for(deployed), audit=AuditSettings(keep_questions=KEEP))
        with serving(deployed, settings) as api:
            lines = "\n".join(f"{n},note of Ada Quillfeather {n}" for n in range(30))
            assert api.ingest("notes", f"id,t\n{lines}\n", row_key="id").status_code == 201
            api.index("notes", "t", name="notes_v1")
            api.profile("reader", "notes")
            yield api


def ask(api: Api, *texts: str, **fields: Any) -> None:
    with api.reader("reader") as reader:
        for text in texts:
            request = {"index": "notes_v1", "query": text, "k": 2, **fields}
            answer = reader.post("/vectors/profile/reader/search", json=request)
            assert answer.status_code == 200, answer.text


def questions(api: Api, name: str = LOG) -> list[str]:
    with api.deployed.connect("owner") as owner:
        rows = owner.execute(
            "select q.question from lakeward.eval_query q join lakeward.eval_set e on e.id = q.eval_id"
            " where e.name = %s order by q.id",
            [name],
        ).fetchall()
    return [question for (question,) in rows]


def autogen(api: Api, name: str, count: int = 500, **fields: Any) -> Any:
    body = {"index": "notes_v1", "queries": count, "source": "log", **fields}
    return api.admin.post(f"/vectors/hnsw/evals/{name}/autogen", json=body)


def test_a_question_is_kept_once_and_an_eval_set_is_made_of_it(kept: Api) -> None:
    detail = problem(autogen(kept, "none"), 400, "invalid_input")["detail"]
    assert "none was asked of it yet" in detail and "audit.keep_questions is 20" in detail
    assert "set audit.keep_questions" not in detail
    problem(kept.admin.delete("/vectors/hnsw/evals/none"), 404, "not_found")  # nothing is left of it
    ask(kept, "who?", "when?", "who?")
    ask(kept, "why?", mode="hybrid")
    ask(kept, "note", mode="text")
    with kept.reader("reader") as reader:
        dimensions = kept.admin.get("/vectors/indexes/notes_v1").json()["dimensions"]
        request = {"index": "notes_v1", "vector": [0.5] * dimensions, "k": 2}
        assert reader.post("/vectors/profile/reader/search", json=request).status_code == 200
    assert questions(kept) == ["who?", "when?", "why?", "note"]
    made = autogen(kept, "users", 3).json()
    assert (made["name"], made["index"], made["queries"], made["generated"]) == ("users", "notes_v1", 3, 0)
    assert questions(kept, "users") == ["when?", "why?", "note"]
    assert autogen(kept, "users", 3).json() == made
    ask(kept, "where?")
    assert "3 that were given or asked" in problem(autogen(kept, "users", 3), 409, "conflict")["detail"]
    assert autogen(kept, "users", 2, replace=True).json()["queries"] == 2
    assert questions(kept, "users") == ["note", "where?"]


def test_who_asked_is_not_kept_and_a_reader_sees_none_of_it(kept: Api) -> None:
    ask(kept, "a secret question")
    with kept.reader("reader") as reader:
        problem(reader.get("/vectors/hnsw/evals"), 403, "forbidden")
    with kept.deployed.connect("owner") as owner:
        row = owner.execute("select q.* from lakeward.eval_query q where question = 'a secret question'")
        assert {column.name for column in row.description or ()} == {
            "id",
            "eval_id",
            "chunk_id",
            "question",
            "vector",
            "model",
            "relevant",
        }


def test_the_oldest_go(kept: Api) -> None:
    ask(kept, *(f"question {n}" for n in range(60)))
    found = questions(kept)
    assert KEEP <= len(found) < KEEP + 16
    assert found[-1] == "question 59" and "who?" not in found


def test_a_text_that_postgres_cannot_hold_is_not_kept(kept: Api) -> None:
    before = questions(kept)
    ask(kept, "nul\0nul")
    assert questions(kept) == before


def test_an_erasure_looks_into_them(kept: Api) -> None:
    ask(kept, "where does note of Ada Quillfeather 7 live?", "something else")
    assert autogen(kept, "copy").status_code == 200
    body = {"dataset": "notes", "row_key_values": [7], "reason": "asked to be forgotten"}
    job = kept.admin.post("/catalog/erasures", json=body).json()
    deadline = time.monotonic() + 60
    while kept.admin.get(f"/catalog/erasures/{job['id']}").json()["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    receipt = kept.admin.get(f"/catalog/erasures/{job['id']}/receipt").json()["receipt"]
    assert receipt["removed"]["eval_queries"] == 2, receipt
    for name in (LOG, "copy"):
        assert questions(kept, name)[-1] == "something else"
        assert not [question for question in questions(kept, name) if "Ada Quillfeather 7 " in question]


def test_only_the_service_keeps_questions(kept: Api) -> None:
    before = questions(kept)
    with kept.deployed.connect() as admin:
        admin.execute(
            "select lakeward.keep_question(i.id, 'planted', 5) from lakeward.vector_index i"
        ).fetchall()
    ask(kept, "asked by a reader")
    assert questions(kept) == [*before, "asked by a reader"]
