"""An index's vectors are compared with vectors of its own model, or not at all."""

from collections.abc import Sequence

import numpy as np
import pytest

from app.errors import ConflictError, ProviderError
from app.models.adapter import Adapter
from app.models.embedders import FAILED_S, Embedders
from app.models.fake import FakeEmbedder
from app.models.protocol import ModelInfo, Vectors, VectorShapeError


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


async def test_a_job_does_not_fail_of_what_somebody_else_was_told() -> None:
    """Its attempts are for asking; what it learns, all know."""
    away = Named(None)
    embedders = Embedders(away, clock=lambda: 100.0)
    jobs = embedders.for_jobs()
    with pytest.raises(ProviderError):
        await embedders.find("fake", "back", "1")
    for asked in (2, 3):
        with pytest.raises(ProviderError):
            await jobs.find("fake", "back", "1")
        assert away.asked == asked
    away.name = "back"
    assert await jobs.find("fake", "back", "1") is away
    assert await embedders.find("fake", "back", "1") is away
    assert away.asked == 4


class Exchanged(FakeEmbedder):
    """A model whose vectors have the length that somebody sets."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.asked = 0
        self.dimensions = dimensions

    async def describe(self) -> ModelInfo:
        self.asked += 1
        return ModelInfo(provider="fake", name="m", version="1", dimensions=self.dimensions)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.ones((len(texts), self.dimensions), np.float32)


async def test_vectors_of_another_length_are_the_models_failure() -> None:
    model = Exchanged(4)
    embedders = Embedders(model)
    found = await embedders.find("fake", "m", "1", 4)
    assert (await found.embed(["a"])).shape == (1, 4)
    model.dimensions = 5
    with pytest.raises(
        VectorShapeError, match="answered vectors of 5 dimensions, and 4 are needed"
    ) as caught:
        await found.embed(["a"])
    assert "provider" not in caught.value.for_readers
    # what was exchanged is described anew
    assert (await embedders.list_infos())[0].dimensions == 5
    with pytest.raises(VectorShapeError):
        await embedders.find("fake", "m", "1", 4)
    model.dimensions = 4
    found = await embedders.find("fake", "m", "1", 4)
    assert (await found.embed(["a"])).shape == (1, 4)
    asked = model.asked
    await embedders.find("fake", "m", "1", 4)
    assert model.asked == asked


async def test_a_wrong_first_description_is_not_kept() -> None:
    model = Exchanged(5)
    embedders = Embedders(model)
    await embedders.describe(model)
    model.dimensions = 4
    assert (await (await embedders.find("fake", "m", "1", 4)).embed(["a"])).shape == (1, 4)
    assert (await embedders.describe(model)).dimensions == 4


async def test_an_adapter_over_vectors_of_another_length_is_the_models_failure() -> None:
    model = Exchanged(4)
    embedders = Embedders(model)
    base = ModelInfo("fake", "m", "1", 4)
    adapter = Adapter(base, ModelInfo("fake+adapter", "a", "1", 4), np.eye(4, dtype=np.float32))

    async def source(provider: str, name: str, version: str) -> Adapter | None:
        return adapter if name == "a" else None

    embedders.sources.append(source)
    found = await embedders.find("fake+adapter", "a", "1", 4)
    model.dimensions = 5
    with pytest.raises(VectorShapeError):
        await found.embed(["a"])
    model.dimensions = 4
    assert (await found.embed(["a"])).shape == (1, 4)
