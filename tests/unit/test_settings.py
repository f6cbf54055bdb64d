"""Settings: the environment over the file over the defaults; a mistake is named, and what was meant."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.settings import Settings, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "lakeward.toml"


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings({})
    assert settings.database_url is None
    assert settings.api.host == "127.0.0.1"
    assert settings.api.auth
    assert settings.home == Path("~/.lakeward").expanduser()
    assert settings.admin_key_file == settings.home / "admin.key"


def test_the_file(config: Path):
    config.write_text('home = "/srv/lake"\n[api]\nport = 9000\n[models.embed]\nprovider = "ollama"\n')
    settings = load_settings({}, config=config)
    assert (settings.home, settings.api.port, settings.models.embed.provider) == (
        Path("/srv/lake"),
        9000,
        "ollama",
    )
    assert settings.api.host == Settings().api.host


def test_the_file_of_the_working_directory(config: Path, monkeypatch: pytest.MonkeyPatch):
    config.write_text("[api]\nport = 9001\n")
    monkeypatch.chdir(config.parent)
    assert load_settings({}).api.port == 9001


def test_the_environment_wins_and_the_command_line_wins_over_it(config: Path):
    config.write_text("[api]\nport = 9000\n")
    environ = {"LAKEWARD_CONFIG": str(config), "LAKEWARD_API_PORT": "9001", "PATH": "/bin"}
    assert load_settings(environ).api.port == 9001
    assert load_settings(environ, **{"api.port": 9002, "api.host": None}).api.port == 9002


def test_the_environments_words_become_values():
    environ = {
        "LAKEWARD_API_AUTH": "false",
        "LAKEWARD_POOL_TIMEOUT_S": "2.5",
        "LAKEWARD_POSTGRES_VERSION": "16",
    }
    settings = load_settings(environ)
    assert (settings.api.auth, settings.pool.timeout_s, settings.postgres_version) == (False, 2.5, 16)


@pytest.mark.parametrize(
    "name", ["LAKEWARD_URL", "LAKEWARD_API_KEY", "LAKEWARD_TEST_DATABASE_URL", "LAKEWARD_BENCH_ROWS"]
)
def test_names_that_are_not_settings(name):
    assert load_settings({name: "x"}) == load_settings({})


def test_a_home_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert load_settings({"LAKEWARD_HOME": "here"}).home == tmp_path / "here"
    assert load_settings({"LAKEWARD_HOME": "~/here"}).home == Path.home() / "here"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[api]\nprot = 1\n", r"unknown setting 'api\.prot'; did you mean 'api\.port'\?"),
        ("colour = 1\n", "unknown setting 'colour'"),
        ("[api]\nport = 'many'\n", "Expected `int`"),
        ("[api\n", "lakeward.toml"),
        ("api = 1\n", "unknown setting 'api'"),
        ("home = 3\n", "cannot read 3 as"),
        ("postgres_version = 9\n", "postgres_version: Invalid enum value 9; it is one of 16, 18"),
        ("[models.embed]\nprovider = 'magic'\n", "embed.provider: Invalid enum value 'magic'; it is one of"),
        ("[api]\nport = 70000\n", "between 0 and 65535"),
        ("[api]\nhost = '0.0.0.0'\nauth = false\n", "may be off only on a loopback address"),
    ],
)
def test_a_mistake_in_the_file_is_named(config: Path, text, said):
    config.write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings({}, config=config)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "LAKEWARD_API_PROT",
            "1",
            "unknown environment setting LAKEWARD_API_PROT; did you mean 'LAKEWARD_API_PORT'",
        ),
        ("LAKEWARD_API_PORT", "many", "Expected `int`"),
        ("LAKEWARD_API_AUTH", "perhaps", "Expected `bool`"),
        ("LAKEWARD_API", "1", "unknown environment setting"),
    ],
)
def test_a_mistake_in_the_environment_is_named(name, value, said):
    with pytest.raises(SettingsError, match=said):
        load_settings({name: value})


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(config: Path, content):
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(SettingsError, match=r"lakeward\.toml"):
        load_settings({}, config=config)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        load_settings({}).home = Path("/")  # type: ignore[misc]


def test_the_page_on_buckets_shows_settings_that_can_be_used(config: Path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "buckets.md").read_text()
    config.write_text(page.split("```toml\n")[1].split("```")[0])
    settings = load_settings({}, config=config)
    assert [bucket.name for bucket in settings.buckets] == ["lake", "copy", "disk"]
    assert settings.rescue_bucket == "copy" and settings.profile_root == "s3://acme-lake/profiles"
