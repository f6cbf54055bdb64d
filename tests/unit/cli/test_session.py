import json

import pytest

from app.cli.address import Address
from app.cli.client import Api
from app.cli.session import Session


def test_errors_are_json_when_json_was_asked_for(fake, run):
    fake.problem("GET", "/whoami", 401, "unauthenticated", "send a key")
    outcome = run("whoami", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    assert json.loads(outcome.err)["code"] == "unauthenticated"


def test_errors_of_the_client_are_problems_too(run):
    outcome = run("whoami", "--json", "--url", "nowhere")
    assert outcome.code == 1
    assert json.loads(outcome.err)["code"] == "invalid_input"


def test_errors_are_one_line_otherwise(fake, run):
    fake.problem("GET", "/whoami", 401, "unauthenticated", "send a key")
    outcome = run("whoami")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.splitlines() == [
        "lakeward: send a key; the commands read the key from LAKEWARD_API_KEY or the home's admin.key"
    ]


@pytest.mark.parametrize(
    ("words", "path", "detail", "see"),
    [
        (
            ("index", "show", "threat_intel"),
            "/vectors/indexes/threat_intel",
            "no index 'threat_intel'",
            "index",
        ),
        (("profile", "show", "nobody"), "/catalog/profiles/nobody", "no profile 'nobody'", "profile"),
    ],
)
def test_what_is_not_there_says_what_lists_what_is(fake, run, words, path, detail, see):
    fake.problem("GET", path, 404, "not_found", detail)
    assert run(*words).err == f"lakeward: {detail}; see: lakeward {see} list\n"
    where = run(*words, "--url", fake.url).err
    assert where == f"lakeward: {detail}; see: lakeward {see} list --url {fake.url}\n"
    # the API's words are the API's
    assert run(*words, "--json").code == 1 and json.loads(run(*words, "--json").err)["detail"] == detail


def test_what_says_more_itself_is_left_as_it_is(fake, run):
    fake.problem("GET", "/catalog/profiles/x", 404, "not_found", "no profile 'x'; see: lakeward profile list")
    assert run("profile", "show", "x").err == "lakeward: no profile 'x'; see: lakeward profile list\n"


def test_the_home_names_the_key(fake, run, tmp_path, monkeypatch):
    monkeypatch.delenv("LAKEWARD_API_KEY")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "admin.key").write_text("lw_other\n")
    fake.answer("GET", "/catalog/datasets", {"items": [], "next_cursor": None})
    assert run("dataset", "list", "--home", str(tmp_path / "other")).code == 0
    assert fake.last.headers["x-api-key"] == "lw_other"


def test_what_destroys_asks_and_without_a_terminal_needs_yes(fake, run):
    fake.answer("DELETE", "/catalog/profiles/p", {"id": "p", "bound_datasets": [], "revoked_keys": 2})
    refused = run("profile", "delete", "p")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert fake.requests == []
    done = run("profile", "delete", "p", "--yes")
    assert (done.code, done.out) == (0, "deleted p; 2 keys revoked\n")


def test_a_command_to_copy_names_the_same_server(tmp_path):
    api = Api(Address(url="http://127.0.0.1:1", key=None))
    session = Session(api, home=tmp_path / "my home", url="http://127.0.0.1:1")
    assert session.command("job", "show", "1") == (
        f"lakeward job show 1 --home '{tmp_path}/my home' --url http://127.0.0.1:1"
    )
    assert "--lakeward-home" in session.command("ingest", home_option="--lakeward-home")
