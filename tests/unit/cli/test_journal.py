import pytest

ENTRY = {
    "id": 7,
    "at": "2026-01-02T03:04:05Z",
    "kind": "update",
    "dataset": "people",
    "entity": "1",
    "field": "name",
    "old": "Ada",
    "new": None,
    "actor": "key_1",
    "profile": "alpha",
    "model": None,
    "source": "api",
    "workspace": None,
    "request_id": None,
}
LOAD = {**ENTRY, "id": 6, "kind": "load", "entity": None, "field": None, "old": None, "new": {"rows": 3}}
AUDIT = {
    "id": 1,
    "at": "2026-01-02T03:04:05Z",
    "principal": "key_1",
    "login": "lw_service",
    "profile": "alpha",
    "model": "llama",
    "door": "search",
    "operation": "people_v1",
    "relations": ["people"],
    "arguments_sha256": "ab",
    "rows": 10,
    "hits": ["1"],
    "duration_ms": 1.5,
    "outcome": "ok",
    "request_id": None,
}
VALID = {
    "valid": True,
    "checked": 1200,
    "unsealed": 3,
    "seals": 2,
    "first_bad": None,
    "seal": None,
    "reason": None,
}


def page(*items):
    return {"items": list(items), "next_cursor": None}


def test_history(fake, run):
    fake.answer("GET", "/journal/history/1", page(LOAD, ENTRY))
    outcome = run("journal", "history", "1", "--dataset", "people")
    assert "name: Ada → –" in outcome.out and '{"rows": 3}' in outcome.out
    assert "key_1 (alpha)" in outcome.out
    assert fake.last.path.endswith("dataset=people")
    assert run("journal", "history", "1", "--dataset", "people", "--json").document == page(LOAD, ENTRY)


def test_history_as_a_reader(fake, run):
    fake.answer("GET", "/journal/history/1", page())
    outcome = run("journal", "history", "1", "--dataset", "people", "--as", "alpha")
    assert "nothing about 1 of people" in outcome.out
    assert {name.lower(): value for name, value in fake.last.headers.items()}[
        "x-lakehouse-profile"
    ] == "alpha"


def test_recent(fake, run):
    fake.answer("GET", "/journal/recent", page(ENTRY))
    assert "update" in run("journal", "recent", "--kind", "update", "-n", "5").out
    assert "kind=update" in fake.last.path and "limit=5" in fake.last.path
    assert run("journal", "recent", "-n", "501").code == 2


def test_a_value_that_steers_a_terminal_does_not(fake, run):
    fake.answer("GET", "/journal/recent", page({**ENTRY, "new": "\x1b[2J", "entity": "\x1b]0;x\x07"}))
    assert "\x1b" not in run("journal", "recent").out


def test_a_journal_that_is_as_it_was_sealed(fake, run):
    fake.answer("GET", "/journal/verify", VALID)
    outcome = run("journal", "verify")
    assert outcome.code == 0 and "1,200 entries in 2 seals" in outcome.out and "3 entries wait" in outcome.err


def test_a_journal_that_is_not_is_said_and_the_exit_code_says_it_too(fake, run):
    broken = {
        **VALID,
        "valid": False,
        "first_bad": 7,
        "seal": 2,
        "reason": "the payload of entry 7 was changed",
    }
    fake.answer("GET", "/journal/verify", broken)
    outcome = run("journal", "verify")
    assert outcome.code == 1 and "NOT" in outcome.out and "entry 7 was changed" in outcome.out
    outcome = run("journal", "verify", "--json")
    assert outcome.code == 1 and outcome.document == broken


def test_stats_and_flush(fake, run):
    stats = {
        "entries": 12,
        "oldest": ENTRY["at"],
        "newest": ENTRY["at"],
        "kinds": [{"kind": "update", "entries": 12, "newest": ENTRY["at"]}],
        "datasets": [{"dataset": None, "entries": 12}],
        "seals": 1,
        "sealed_at": None,
        "unsealed": 12,
        "audit_entries": 4,
    }
    fake.answer("GET", "/journal/stats", stats)
    assert "(catalog)" in run("journal", "stats").out
    fake.answer("POST", "/journal/flush", {"seals": 1, "entries": 12, "unsealed": 0})
    assert run("journal", "flush").out == "12 entries sealed\n"


def test_audit(fake, run):
    fake.answer("GET", "/access/audit", page(AUDIT, {**AUDIT, "principal": "", "outcome": "unauthenticated"}))
    outcome = run("audit", "--profile", "alpha", "--outcome", "ok")
    assert "people_v1" in outcome.out.replace("\n", "") or "people" in outcome.out
    assert "(unknown)" in outcome.out.replace("\n", "") or "(unkn" in outcome.out
    assert "profile=alpha" in fake.last.path and "outcome=ok" in fake.last.path
    assert run("audit", "--json").document["items"][0] == AUDIT


@pytest.mark.parametrize("arguments", [["journal", "history", "1"], ["journal", "history", "--dataset", "x"]])
def test_what_is_missing_is_said(fake, run, arguments):
    assert run(*arguments).code == 2
    assert fake.requests == []
