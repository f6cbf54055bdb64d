"""Without the extra everything says what to install, and nothing else fails."""

import importlib.util

import pytest

from app.errors import InvalidInputError, UnavailableError
from app.lance import extra


def test_without_the_extra_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "lancedb", None)
    assert not extra.is_installed()
    with pytest.raises(InvalidInputError, match=r"lakeward\[lance\].*or leave it at 'pgvector'"):
        extra.require_installed()
    with pytest.raises(UnavailableError, match=r"pip install 'lakeward\[lance\]'"):
        extra.load_lancedb()


def test_with_it_nothing_is_said() -> None:
    pytest.importorskip("lancedb")
    extra.require_installed()
    assert extra.load_lancedb().__name__ == "lancedb"
