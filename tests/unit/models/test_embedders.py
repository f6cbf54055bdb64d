"""An index's vectors are compared with vectors of its own model, or not at all."""

import pytest

from app.errors import ConflictError, ProviderError
from app.models.embedders import FAILED_S, Embedders
from app.models.fake import FakeEmbedder
from app.models.protocol import ModelInfo


class Named(FakeEmbedder):
    """The fake under another name; without one it is away."""

    def __init__(self, name: str | None) -> None:
        super().__init__()
        self.asked = 0
        self.name = name

    async def describe(self) -> ModelInfo:
        self.asked += 1
        if self.name is None:
            raise ProviderError(
                "ollama at http://h: the connection failed", for_readers="the model m is away"
            )
        return ModelInfo(provider="fake", name=self.name, version="1", dimensions=384)


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
    with pytest.raises(ProviderError, match="connection failed") as caught:
        await Embedders(Named("new"), [Named(None)]).find("fake", "new", "2")
    assert caught.value.for_readers == "no vectors of new can be made now: the model m is away"


async def test_who_cannot_be_it_is_not_asked() -> None:
    """The default may accept connections and never answer: searches by other models do not wait for it."""
    away, old, own = Named(None), Named("old"), Named("own")
    configured = [("ollama", "new"), ("fake", "old"), ("fake", None)]
    embedders = Embedders(away, [old, own], configured)
    assert await embedders.find("fake", "old", "1") is old
    assert own.asked == 0
    assert await embedders.find("fake", "own", "1") is own
    with pytest.raises(ConflictError, match="ollama is for new"):
        await embedders.find("ollama", "other", "1")
    with pytest.raises(ConflictError):
        await embedders.find("openai", "new", "1")
    assert away.asked == 0
    with pytest.raises(ProviderError):
        await embedders.find("ollama", "new", "1")
    assert away.asked == 1


async def test_a_known_one_is_found_before_others_are_asked() -> None:
    away, old = Named(None), Named("old")
    embedders = Embedders(away, [old])
    await embedders.describe(old)
    assert await embedders.find("fake", "old", "1") is old
    assert away.asked == 0


async def test_a_failure_is_remembered_for_a_moment() -> None:
    now = [100.0]
    away = Named(None)
    embedders = Embedders(away, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(ProviderError, match="connection failed"):
            await embedders.find("fake", "back", "1")
    assert away.asked == 1
    away.name = "back"
    now[0] += FAILED_S
    assert await embedders.find("fake", "back", "1") is away
