import pytest

from app.cli.address import Address
from app.cli.client import Api
from app.cli.demo_steps import (
    ANALYST,
    Demo,
    activate,
    create_reader,
    query_vendors,
    refuse_query,
    refuse_search,
    search,
)
from app.cli.session import Session
from app.errors import LakewardError

SEARCH = f"/vectors/profile/{ANALYST}/search"


@pytest.fixture
def played(fake, tmp_path):
    with Api(Address(url=fake.url, key="k")) as api:
        yield Demo(Session(api, home=tmp_path), tmp_path)


def answer(*texts, **changes):
    hits = [{"doc_key": "k", "score": 0.5, "text": text} for text in texts]
    return {"returned": len(hits), "method": "hnsw", "duration_ms": 1.0, "hits": hits, **changes}


def test_a_step_shows_its_figures_and_the_command_that_repeats_it(fake, played, capsys, tmp_path):
    fake.answer("POST", SEARCH, answer("a mail server", "b", "c"))
    search(played, ANALYST, "who reads my mail", ("mail",))
    out = capsys.readouterr().out
    assert "3 hits by hnsw" in out
    assert f"$ lakeward search {ANALYST} threat_intel_v1 'who reads my mail' -k 3 --home {tmp_path}" in out
    assert [step.figures for step in played.steps] == ["3 hits by hnsw in 1.0 ms"]


@pytest.mark.parametrize("texts", [("a mail server", "b"), ("a", "b", "c")])
def test_hits_that_are_too_few_or_beside_the_point_end_the_demo(fake, played, texts):
    fake.answer("POST", SEARCH, answer(*texts))
    with pytest.raises(LakewardError, match="the demo expected mail among the hits"):
        search(played, ANALYST, "x", ("mail",))
    assert played.steps == []


def test_a_refusal_is_what_is_wanted(fake, played):
    fake.problem("POST", SEARCH, 403, "profile_not_bound", "not bound", allowed_bindings=["threat_intel"])
    fake.problem("POST", "/query/sql", 400, "invalid_query", "no such table")
    refuse_search(played)
    refuse_query(played)
    assert "refused (profile_not_bound): not bound; allowed: threat_intel" in played.steps[0].figures
    assert fake.last.headers["x-lakehouse-profile"] == ANALYST


def test_an_answer_where_a_refusal_is_due_ends_the_demo(fake, played):
    fake.answer("POST", SEARCH, answer("a person"))
    fake.answer("POST", "/query/sql", {"rows": []})
    for step in (refuse_search, refuse_query):
        with pytest.raises(LakewardError, match="to be refused"):
            step(played)


@pytest.mark.parametrize("code", ["unavailable", "not_found", "internal_error"])
def test_another_error_is_no_refusal(fake, played, code):
    fake.problem("POST", SEARCH, 503, code, "away")
    with pytest.raises(LakewardError, match="to be refused, not: away"):
        refuse_search(played)


def test_a_reader_that_sees_more_than_its_own_ends_the_demo(fake, played):
    fake.answer("POST", "/catalog/profiles", {"role_name": "r", "schema_name": "s"}, 201)
    fake.answer("GET", "/whoami", {"relations": ["candidates", "threat_intel"]})
    with pytest.raises(LakewardError, match="and nothing else"):
        create_reader(played, ANALYST)


def test_an_index_that_cannot_be_warmed_ends_the_demo(fake, played):
    fake.answer(
        "POST", f"/vectors/profile/{ANALYST}/activate", {"warmed": [], "failures": [{"binding": "x"}]}
    )
    with pytest.raises(LakewardError, match="one warm index"):
        activate(played, ANALYST)


def test_the_vendors_must_be_five(fake, played):
    fake.answer("POST", "/query/sql", {"row_count": 0, "rows": [], "engine": "e", "duration_ms": 1.0})
    with pytest.raises(LakewardError, match="five vendors"):
        query_vendors(played)
