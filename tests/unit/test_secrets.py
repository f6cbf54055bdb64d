import os

import pytest

from app.errors import SettingsError
from app.secrets import check_secret_ref, resolve_secret


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "key"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    return path


def test_a_secret_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("LW_KEY", " s3cret ")
    assert resolve_secret("env:LW_KEY") == "s3cret"


def test_a_secret_comes_from_a_private_file_and_through_a_link(secret_file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(secret_file)
    assert resolve_secret(f"file:{secret_file}") == resolve_secret(f"file:{link}") == "s3cret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_file_that_others_can_reach_is_refused(secret_file, mode):
    secret_file.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        resolve_secret(f"file:{secret_file}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(secret_file):
    os.chown(secret_file, 12345, -1)
    with pytest.raises(SettingsError, match="must belong to the user"):
        resolve_secret(f"file:{secret_file}")


def test_what_is_not_a_private_text_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "dir").mkdir(mode=0o700)
    for name, content in [
        ("large", b"x" * 9000),
        ("binary", b"\xff\xfe"),
        ("empty", b"\n"),
        ("two", b"a\nb"),
    ]:
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    for name in ("fifo", "dir", "large", "binary", "empty", "two", "absent", "n" * 300):
        with pytest.raises(SettingsError, match="secret"):
            resolve_secret(f"file:{tmp_path / name}")


@pytest.mark.parametrize(
    "reference", ["sk-123secret", "", "env:", "env:A B", "file:relative", "vault:x", "file:/a\0b"]
)
def test_what_is_not_a_reference_is_refused_and_not_repeated(reference):
    with pytest.raises(SettingsError) as caught:
        check_secret_ref(reference)
    assert "123secret" not in caught.value.message


@pytest.mark.parametrize("value", ["", "  ", "two words", "line\nline", "naïve"])
def test_what_cannot_stand_in_a_header_is_refused_and_not_repeated(monkeypatch, value):
    monkeypatch.setenv("LW_KEY", value)
    with pytest.raises(SettingsError, match="env:LW_KEY") as caught:
        resolve_secret("env:LW_KEY")
    assert not value.strip() or value not in caught.value.message
