import stat

import pytest

from app.errors import SettingsError
from app.journal.seal_files import Head, create_key, find_head, find_key, save_head


def test_a_key_is_made_once_and_is_nobody_elses_to_read(tmp_path):
    assert find_key(tmp_path) is None
    key = create_key(tmp_path)
    assert len(key.secret) == 32
    assert stat.S_IMODE((tmp_path / "seal.key").stat().st_mode) == 0o600
    assert create_key(tmp_path) == key, "the one that is there stays"
    assert find_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["seal.key"]
    assert key.secret.hex() not in repr(key)


def test_a_key_that_others_may_read_is_refused(tmp_path):
    create_key(tmp_path)
    (tmp_path / "seal.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        find_key(tmp_path)


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "ab" * 31])
def test_what_is_no_key_is_refused(tmp_path, text):
    path = tmp_path / "seal.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="32 bytes"):
        find_key(tmp_path)


def test_the_head_never_goes_back(tmp_path):
    assert find_head(tmp_path) is None
    save_head(tmp_path, Head(id=2, digest="b"))
    save_head(tmp_path, Head(id=1, digest="a"))
    assert find_head(tmp_path) == Head(id=2, digest="b")
    save_head(tmp_path, Head(id=3, digest="c"))
    assert find_head(tmp_path) == Head(id=3, digest="c")


def test_a_head_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "seal.head").write_text("{")
    with pytest.raises(SettingsError, match=r"seal\.head"):
        find_head(tmp_path)
