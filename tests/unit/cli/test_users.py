import io

import pytest

USER = {
    "name": "anna",
    "profile": "p",
    "valid_until": None,
    "search_path": "p_p",
    "url": "postgresql://anna@db:5432/lake",
    "password": "generated-and-long",
}


def test_a_generated_password_is_alone_on_stdout(fake, run):
    fake.answer("POST", "/access/users", USER, 201)
    outcome = run("user", "create", "anna", "--profile", "p")
    assert outcome.out == "generated-and-long\n"
    assert 'psql "postgresql://anna@db:5432/lake"' in outcome.err
    assert fake.last.document == {"name": "anna", "profile": "p"}


def test_a_password_of_ones_own_comes_by_stdin_and_is_not_shown(fake, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\nmore\n"))
    fake.answer("POST", "/access/users", {**USER, "password": None}, 201)
    outcome = run("user", "create", "anna", "--profile", "p", "--password-stdin")
    assert fake.last.document["password"] == "correct horse battery"
    assert "horse" not in outcome.out + outcome.err
    assert outcome.out == ""


def test_a_short_password_is_refused_without_being_shown(fake, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    outcome = run("user", "create", "anna", "--profile", "p", "--password-stdin")
    assert outcome.code == 2
    assert "hunter2" not in outcome.err
    assert fake.requests == []


def test_the_end_is_sent_with_its_time_zone(fake, run):
    fake.answer("POST", "/access/users", USER, 201)
    run("user", "create", "anna", "--profile", "p", "--valid-until", "2030-01-31")
    assert fake.last.document["valid_until"].startswith("2030-01-31T00:00:00")
    assert fake.last.document["valid_until"][-6] in "+-"


@pytest.mark.parametrize("arguments", [["anna"], ["anna", "--profile", "p", "--valid-until", "soon"]])
def test_what_must_be_said(fake, run, arguments):
    assert run("user", "create", *arguments).code == 2
    assert fake.requests == []


def test_users_are_listed_and_deleted(fake, run):
    user = {"name": "anna", "profile": "p", "valid_until": "2030-01-02T03:04:05Z", "sessions": 2}
    fake.answer("GET", "/access/users", {"items": [user], "next_cursor": None})
    fake.answer("DELETE", "/access/users/anna", {"name": "anna", "profile": "p", "sessions": 2})
    assert "anna" in run("user", "list").out
    assert "2" in run("user", "delete", "anna", "--yes").out
    assert run("user", "delete", "anna", "--json", "--yes").document["name"] == "anna"
