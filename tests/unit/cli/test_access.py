import pytest

KEY = {
    "id": "k1",
    "name": "bot",
    "kind": "reader",
    "profile": "p",
    "model": None,
    "created_at": "2026-01-02T03:04:05Z",
    "revoked_at": None,
}


def test_a_readers_key_is_shown_once_and_alone_on_stdout(fake, run):
    fake.answer("POST", "/access/keys", {**KEY, "key": "lw_k1_secret"}, 201)
    outcome = run("key", "create", "bot", "--profile", "p", "--model", "llama")
    assert outcome.out == "lw_k1_secret\n"
    assert "shown this once" in outcome.err
    assert fake.last.document == {"name": "bot", "kind": "reader", "profile": "p", "model": "llama"}


def test_an_admins_key(fake, run):
    fake.answer("POST", "/access/keys", {**KEY, "key": "x"}, 201)
    run("key", "create", "ops", "--admin")
    assert fake.last.document == {"name": "ops", "kind": "admin"}


@pytest.mark.parametrize("arguments", [[], ["--admin", "--profile", "p"]])
def test_whose_key_must_be_said(fake, run, arguments):
    assert run("key", "create", "x", *arguments).code == 2
    assert fake.requests == []


def test_keys_are_listed_and_revoked(fake, run):
    fake.answer("GET", "/access/keys", {"items": [KEY], "next_cursor": None})
    fake.answer("DELETE", "/access/keys/k1", KEY)
    assert "bot" in run("key", "list").out
    assert run("key", "revoke", "k1", "--yes").out == "revoked k1 (bot)\n"


def test_whoami(fake, run):
    who = {
        "principal": "bot",
        "kind": "reader",
        "profile": "p",
        "access_role": "agent",
        "model": None,
        "relations": [],
    }
    fake.answer("GET", "/whoami", who)
    assert "nothing" in run("whoami").out
    assert run("whoami", "--json").document == who
