import pytest

from app.cli.address import api_url, find_address
from app.db.home_lock import HomeLock
from app.errors import InvalidInputError
from app.settings import ApiSettings, Settings


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "admin.key").write_text("lw_home_key\n")
    return Settings(home=tmp_path, api=ApiSettings(port=9999))


def test_the_settings_say_where_when_nothing_else_does(settings):
    address = find_address(settings, environ={})
    assert (address.url, address.key, address.named) == ("http://127.0.0.1:9999", "lw_home_key", False)


def test_the_server_that_runs_on_the_home_is_found(settings):
    lock = HomeLock(settings.home)
    lock.acquire("http://127.0.0.1:7777")
    try:
        assert find_address(settings, environ={}).url == "http://127.0.0.1:7777"
        named = find_address(settings, environ={"LAKEWARD_URL": "http://127.0.0.1:5/"})
        assert (named.url, named.named) == ("http://127.0.0.1:5", True)
        assert (
            find_address(settings, "http://[::1]:6", {"LAKEWARD_URL": "http://x:5"}).url == "http://[::1]:6"
        )
    finally:
        lock.release()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.9.9.9"]
)
def test_the_home_key_goes_to_this_machine(settings, url):
    assert find_address(settings, url, {}).key == "lw_home_key"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1:1", "https://lake.example.com", "http://localhost.example.com"]
)
def test_the_home_key_goes_nowhere_else(settings, url):
    assert find_address(settings, url, {}).key is None
    assert find_address(settings, url, {"LAKEWARD_API_KEY": " lw_mine\n"}).key == "lw_mine"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8642", "ftp://x", "http://", "http://x:99999", "http://[::1", "x\n"]
)
def test_what_is_no_url_is_refused(settings, url):
    with pytest.raises(InvalidInputError, match="is no URL"):
        find_address(settings, url, {})


def test_a_home_without_a_key_has_none(tmp_path):
    assert find_address(Settings(home=tmp_path / "none"), environ={}).key is None


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
        ("h", "http://h:1"),
    ],
)
def test_where_a_client_on_this_machine_finds_the_api(host, url):
    assert api_url(Settings(api=ApiSettings(host=host, port=1))) == url
