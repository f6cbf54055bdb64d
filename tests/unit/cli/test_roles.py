import pytest

ROLE = {
    "name": "nurse",
    "description": "",
    "clearance": "confidential",
    "default_action": "mask",
    "keep_prefix": 1,
    "keep_suffix": None,
    "can_write": False,
    "built_in": False,
    "profiles": 0,
    "created_at": "2026-01-02T03:04:05Z",
}


def test_create_sends_what_was_said_and_nothing_else(fake, run):
    fake.answer("POST", "/access/roles", ROLE, 201)
    outcome = run("role", "create", "nurse", "--clearance", "confidential")
    assert outcome.code == 0, outcome.err
    assert fake.last.document == {"name": "nurse", "clearance": "confidential"}
    options = ("--default-action", "mask", "--keep-prefix", "1", "--can-write", "--description", "d")
    run("role", "create", "nurse", "--clearance", "confidential", *options)
    assert fake.last.document == {
        "name": "nurse",
        "clearance": "confidential",
        "default_action": "mask",
        "keep_prefix": 1,
        "can_write": True,
        "description": "d",
    }
    assert "mask, 1 kept before and 0 after" in outcome.out


def test_a_clearance_must_be_said(fake, run):
    assert run("role", "create", "nurse").code == 2
    assert fake.requests == []


def test_roles_are_listed_and_shown(fake, run):
    fake.answer("GET", "/access/roles", {"items": [ROLE], "next_cursor": None})
    fake.answer("GET", "/access/roles/nurse", {**ROLE, "default_action": "null", "built_in": True})
    assert "confidential" in run("role", "list").out
    shown = run("role", "show", "nurse")
    assert "built in" in shown.out and "empty (null)" in shown.out
    assert run("role", "list", "--json").document["items"] == [ROLE]


@pytest.mark.parametrize(("flags", "code"), [(["--yes"], 0), ([], 2)])
def test_delete_asks_first(fake, run, flags, code):
    fake.answer("DELETE", "/access/roles/nurse", {"name": "nurse"})
    outcome = run("role", "delete", "nurse", *flags)
    assert outcome.code == code
    assert bool(fake.requests) == (code == 0)
