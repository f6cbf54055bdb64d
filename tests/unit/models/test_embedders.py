"""An index's vectors are compared with vectors of its own model, or not at all."""

import pytest

from app.errors import ConflictError, ProviderError
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.models.protocol import ModelInfo


class Named(FakeEmbedder):
    """The fake under another name; without one it is away."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.asked = 0
        self._name = name

    async def describe(self) -> ModelInfo:
        self.asked += 1
        if self._name is None:
            raise ProviderError("ollama at http://h: the connection failed")
        return ModelInfo(provider="fake", name=self._name, version="1", dimensions=384)


async def test_each_index_gets_the_model_that_made_it() -> None:
    old, new, away = Named("old"), Named("new"), Named(None)
    embedders = Embedders(new, [away, old])
    assert await embedders.find("fake", "old", "1") is old
    assert await embedders.find("fake", "new", "1") is new
    assert await embedders.find("fake", "old", "1") is old
    # remembered, but for the one that did not answer
    assert (old.asked, new.asked) == (1, 1)
    assert [info.name for info in await embedders.list_infos()] == ["new", "old"]


async def test_another_version_is_another_model() -> None:
    with pytest.raises(ConflictError) as caught:
        await Embedders(Named("new")).find("fake", "new", "2")
    assert "fake has new (1)" in caught.value.message and "models.embedders" in caught.value.message


async def test_one_that_is_away_may_be_the_one() -> None:
    """Then it is worth trying again."""
    with pytest.raises(ProviderError, match="connection failed"):
        await Embedders(Named("new"), [Named(None)]).find("fake", "new", "2")
