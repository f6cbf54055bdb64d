import io
import socket

import pytest

from app.cli.address import Address
from app.cli.client import Api, segment
from app.errors import (
    ForbiddenError,
    InternalError,
    InvalidInputError,
    InvalidNameError,
    LakewardError,
    NotFoundError,
    ProfileNotBoundError,
    TimeoutExceededError,
    UnauthenticatedError,
    UnavailableError,
)


@pytest.fixture
def api(fake):
    with Api(Address(url=fake.url, key="lw_k")) as opened:
        yield opened


def test_the_key_and_the_profile_are_sent(fake):
    fake.answer("GET", "/whoami", {"principal": "me"})
    with Api(Address(url=fake.url, key="lw_k"), profile="alpha") as api:
        assert api.get("/whoami") == {"principal": "me"}
    assert fake.last.headers["x-api-key"] == "lw_k"
    assert fake.last.headers["x-lakehouse-profile"] == "alpha"


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    fake.answer("GET", "/whoami", {})
    with Api(Address(url=fake.url, key=None)) as api:
        assert api.get("/whoami") == {}


@pytest.mark.parametrize("value", ["lw_ä", "a\nX-Injected: 1"])
def test_a_key_that_is_no_header_is_refused(fake, value):
    with pytest.raises(InvalidNameError):
        Api(Address(url=fake.url, key=value))


def test_an_argument_that_is_no_text_is_refused_in_words(api):
    """As Python keeps bytes of a command line that are no UTF-8."""
    for send in (lambda: api.post("/x", {"query": "a\udcff"}), lambda: api.get("/x", name="a\udcff")):
        with pytest.raises(InvalidInputError, match="no UTF-8"):
            send()


def test_all_pages_become_one(fake, api):
    fake.answer("GET", "/things", {"items": [1, 2], "next_cursor": "c"})
    fake.answer("GET", "/things", {"items": [3], "next_cursor": None})
    assert api.list_all("/things", source=None) == {"items": [1, 2, 3], "next_cursor": None}
    assert [request.path for request in fake.requests] == ["/things", "/things?cursor=c"]


def test_fields_that_are_none_are_left_out(fake, api):
    fake.answer("POST", "/x", {"ok": 1}, 201)
    assert api.post("/x", {"a": 1, "b": None}) == {"ok": 1}
    assert fake.last.document == {"a": 1}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "profile_not_bound", ProfileNotBoundError),
        (403, "forbidden", ForbiddenError),
        (404, "not_found", NotFoundError),
        (401, "unauthenticated", UnauthenticatedError),
        (418, "of_tomorrow", LakewardError),
    ],
)
def test_a_problem_is_the_error_it_names(fake, api, status, code, kind):
    fake.problem("GET", "/x", status, code, "not like this")
    with pytest.raises(LakewardError) as caught:
        api.get("/x")
    assert type(caught.value) is kind
    assert caught.value.message.startswith("not like this")
    assert caught.value.extra["problem"]["status"] == status


def test_what_helps_is_said_once(fake, api):
    fake.problem("GET", "/a", 403, "profile_not_bound", "no", allowed_bindings=["one", "two"])
    fake.problem("GET", "/b", 403, "profile_not_bound", "only one and two", allowed_bindings=["one", "two"])
    with pytest.raises(ProfileNotBoundError, match=r"^no; allowed: one, two$"):
        api.get("/a")
    with pytest.raises(ProfileNotBoundError, match=r"^only one and two$"):
        api.get("/b")


@pytest.mark.parametrize("status", [200, 502])
def test_something_else_at_the_address_is_said_to_be_that(fake, api, status):
    fake.answer("GET", "/x", b"<html>hello</html>", status)
    with pytest.raises(InternalError, match=r"no Lakeward|something else"):
        api.get("/x")


def test_nothing_at_the_address_says_how_to_start_it():
    with (
        Api(Address(url="http://127.0.0.1:9", key=None)) as api,
        pytest.raises(UnavailableError, match=r"no Lakeward is running at .*:9; start one with: lakeward up"),
    ):
        api.get("/whoami")


def test_no_answer_is_a_timeout(fake, api):
    # a port that accepts, and then nothing
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = Address(url=f"http://127.0.0.1:{silent.getsockname()[1]}", key=None)
        with Api(address) as quiet, pytest.raises(TimeoutExceededError, match="did not answer in time"):
            quiet.post("/x", {}, read_s=0.1)


def test_a_file_is_sent_with_its_fields(fake, api):
    fake.answer("POST", "/ingest/file", {"rows": 1}, 201)
    content = b"id\n1\n" * 50_000
    fields = {"dataset": "d", "row_key": None}
    assert api.upload("/ingest/file", io.BytesIO(content), "na\udcffme.csv", fields, **{"async": "true"}) == {
        "rows": 1
    }
    request = fake.last
    assert request.path == "/ingest/file?async=true"
    assert content in request.body
    assert b'name="dataset"\r\n\r\nd\r\n' in request.body
    assert b"row_key" not in request.body
    assert b'filename="na?me.csv"' in request.body


def test_an_answer_is_read_piece_by_piece(fake, api):
    fake.answer("POST", "/query/sql", b"a,b\n1,2\n")
    fake.problem("POST", "/bad", 400, "invalid_query", "no such table")
    with api.download("/query/sql", {"sql": "x", "max_rows": None}, "text/csv") as response:
        assert b"".join(response.iter_bytes()) == b"a,b\n1,2\n"
    assert fake.last.headers["accept"] == "text/csv"
    with pytest.raises(LakewardError, match="no such table"), api.download("/bad", {}, "text/csv"):
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../catalog/profiles/x"])
def test_what_would_be_another_path_is_refused(name):
    with pytest.raises(InvalidNameError):
        segment(name)


def test_a_name_is_one_segment():
    assert segment("a b?c#d%é") == "a%20b%3Fc%23d%25%C3%A9"
