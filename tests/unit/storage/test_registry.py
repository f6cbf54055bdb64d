"""The buckets of the settings."""

import pytest

from app.errors import NotFoundError, SettingsError, UnavailableError
from app.settings import BucketSettings, Settings, load_settings
from app.storage.registry import open_buckets


def test_without_any_there_is_a_folder_of_the_home(tmp_path):
    buckets = open_buckets(Settings(home=tmp_path))
    assert buckets.names() == ["local"] and buckets.default == "local" and buckets.rescue is None
    assert buckets.get("local").local_path("x") == tmp_path / "buckets" / "local" / "x"
    assert (tmp_path / "buckets" / "local").is_dir()


def test_local_stays_when_others_are_set(tmp_path):
    settings = Settings(home=tmp_path, buckets=(BucketSettings("far", "s3://x"),), rescue_bucket="local")
    buckets = open_buckets(settings)
    assert buckets.names() == ["far", "local"] and buckets.default == "far"
    found = buckets.find_rescue("far")
    assert found is not None and found.name == "local"
    assert buckets.find_rescue("local") is None


def test_unknown_names(tmp_path):
    buckets = open_buckets(Settings(home=tmp_path))
    with pytest.raises(NotFoundError, match="local"):
        buckets.get("nope")
    with pytest.raises(UnavailableError, match="nothing was written") as caught:
        buckets.get_for_write("nope")
    assert caught.value.extra["retry_after_s"] > 0


def test_a_folder_that_cannot_be_made_does_not_stop_the_start(tmp_path):
    (tmp_path / "file").write_text("x")
    settings = Settings(home=tmp_path, buckets=(BucketSettings("b", "file://file/under"),))
    assert open_buckets(settings).names() == ["b", "local"]


def test_a_secret_that_is_not_there_does_not_stop_the_start(tmp_path):
    settings = Settings(home=tmp_path, buckets=(BucketSettings("b", "s3://x", secret_ref="env:LW_UNSET"),))
    assert open_buckets(settings).get("b").name == "b"


def test_a_profiles_own_bucket(tmp_path):
    buckets = open_buckets(Settings(home=tmp_path, profile_root="file://profiles"))
    mounted = buckets.mount("alpha")
    assert mounted is not None and mounted.name == "p_alpha" and mounted.profile == "alpha"
    assert mounted.local_path() == tmp_path / "profiles" / "alpha"
    assert buckets.mount("alpha") is mounted and buckets.get("p_alpha") is mounted
    assert buckets.unmount("alpha") and not buckets.unmount("alpha")
    with pytest.raises(NotFoundError):
        buckets.get("p_alpha")
    for bad in ("", "..", "a/b"):
        with pytest.raises(SettingsError):
            buckets.mount(bad)


def test_the_profile_root_has_the_credentials_of_its_bucket(tmp_path, monkeypatch):
    monkeypatch.setenv("LW_S", "A:B")
    named = BucketSettings("far", "s3://x/data", secret_ref="env:LW_S", endpoint="https://h", region="r")
    buckets = open_buckets(Settings(home=tmp_path, buckets=(named,), profile_root="s3://x/profiles"))
    mounted = buckets.mount("alpha")
    assert mounted is not None
    uri, options = mounted.delta("t")
    assert uri == "s3://x/profiles/alpha/t" and options["aws_access_key_id"] == "A"
    assert options["aws_endpoint"] == "https://h"


def test_without_a_profile_root_nothing_is_mounted(tmp_path):
    assert open_buckets(Settings(home=tmp_path)).mount("alpha") is None


def test_buckets_of_the_environment_and_of_the_file(tmp_path):
    file = tmp_path / "lakeward.toml"
    file.write_text(
        'rescue_bucket = "b"\n[[buckets]]\nname = "a"\nurl = "data"\n[[buckets]]\nname="b"\nurl="s3://x"\n'
    )
    settings = load_settings({}, config=file, home=tmp_path)
    assert [bucket.name for bucket in settings.buckets] == ["a", "b"] and settings.rescue_bucket == "b"
    assert (tmp_path / "data").is_dir() is False and open_buckets(settings).names() == ["a", "b", "local"]
    environ = {"LAKEWARD_BUCKETS": '[{"name": "c", "url": "s3://y", "allow_http": true}]'}
    settings = load_settings(environ, home=tmp_path)
    assert settings.buckets == (BucketSettings("c", "s3://y", allow_http=True),)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"LAKEWARD_BUCKETS": "data"}, "JSON"),
        ({"LAKEWARD_BUCKETS": '[{"name": "c"}]'}, "url"),
        ({"LAKEWARD_BUCKETS": '[{"name": "c", "url": "x", "secretref": "y"}]'}, "secret_ref"),
        ({"LAKEWARD_BUCKETS": '[{"name": "C d", "url": "x"}]'}, "slug"),
        ({"LAKEWARD_BUCKETS": '[{"name": "p_alpha", "url": "x"}]'}, "p_"),
        ({"LAKEWARD_BUCKETS": '[{"name": "c", "url": "x"}, {"name": "c", "url": "y"}]'}, "two buckets"),
        ({"LAKEWARD_RESCUE_BUCKET": "nope"}, "rescue_bucket"),
    ],
)
def test_settings_that_cannot_be_used(environ, words):
    with pytest.raises(SettingsError, match=words):
        load_settings(environ)
