"""A question is embedded once for its reader, and nobody else learns that it was asked."""

import asyncio

import numpy as np
import pytest

from app.errors import ProviderError
from app.models.cached import QuestionCache
from app.models.fake import FakeEmbedder

MODEL = ("fake", "fake", "1", 384)


class Slow(FakeEmbedder):
    """Answers when it is let go; fails while it is `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.broken = False

    async def embed(self, texts):
        vectors = await super().embed(texts)
        await self.go.wait()
        if self.broken:
            raise ProviderError("the model is away")
        return vectors


async def test_a_question_that_is_asked_again_is_not_embedded_again() -> None:
    cache, model = QuestionCache(), FakeEmbedder()
    first = await cache.wrap(model, MODEL, "anna").embed(["lakes and rivers"])
    again = await cache.wrap(model, MODEL, "anna").embed(["lakes and rivers"])
    assert model.embedded == ["lakes and rivers"]
    np.testing.assert_array_equal(first, await FakeEmbedder().embed(["lakes and rivers"]))
    np.testing.assert_array_equal(again, first)
    with pytest.raises(ValueError, match="read-only"):
        again[0, 0] = 7.0


@pytest.mark.parametrize(
    ("model", "reader", "text"),
    [
        (MODEL, "bert", "lakes"),
        (MODEL, None, "lakes"),
        (("fake", "fake", "2", 384), "anna", "lakes"),
        (("fake", "fak", "e1", 384), "anna", "lakes"),
        (("fake", "fake", "1", 385), "anna", "lakes"),
        (MODEL, "anna", "lakes "),
        (MODEL, "anna", "Lakes"),
    ],
)
async def test_nothing_else_answers_for_it(model, reader, text) -> None:
    cache, embedder = QuestionCache(), FakeEmbedder()
    await cache.wrap(embedder, MODEL, "anna").embed(["lakes"])
    await cache.wrap(embedder, model, reader).embed([text])
    assert embedder.calls == 2


async def test_no_text_and_no_reader_is_kept() -> None:
    cache = QuestionCache()
    await cache.wrap(FakeEmbedder(), MODEL, "anna").embed(["a question about Jane Roe"])
    kept = repr([*vars(cache).values()])
    assert len(cache) == 1 and "Jane" not in kept and "anna" not in kept


async def test_those_who_ask_at_once_wait_for_one_embedding_and_one_may_leave() -> None:
    cache, model = QuestionCache(), Slow()
    asks = [asyncio.create_task(cache.wrap(model, MODEL, "anna").embed(["lakes"])) for _ in range(5)]
    await asyncio.sleep(0)
    asks[0].cancel()
    await asyncio.sleep(0)
    model.go.set()
    answers = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, np.ndarray) for answer in answers[1:])
    assert model.embedded == ["lakes"]


async def test_a_failure_is_not_kept() -> None:
    cache, model = QuestionCache(), Slow()
    model.go.set()
    model.broken = True
    for _ in range(2):
        with pytest.raises(ProviderError):
            await cache.wrap(model, MODEL, "anna").embed(["lakes"])
    model.broken = False
    await cache.wrap(model, MODEL, "anna").embed(["lakes"])
    assert model.calls == 3 and len(cache) == 1


async def test_the_longest_unasked_goes_first_and_old_ones_go() -> None:
    now = 0.0
    cache, model = QuestionCache(max_entries=2, max_age_s=60, clock=lambda: now), FakeEmbedder()
    anna = cache.wrap(model, MODEL, "anna")
    for text in ("a", "b", "a", "c", "a", "b"):
        await anna.embed([text])
    assert model.embedded == ["a", "b", "c", "b"]
    assert len(cache) == 2
    now = 61.0
    await anna.embed(["b"])
    assert model.embedded[4:] == ["b"]


async def test_batches_go_through_and_are_not_kept() -> None:
    cache, model = QuestionCache(), FakeEmbedder()
    embedder = cache.wrap(model, MODEL, "anna")
    assert (await embedder.embed(["a", "b"])).shape == (2, 384)
    assert (await embedder.embed([])).shape == (0, 384)
    assert len(cache) == 0
    assert await embedder.describe() == await model.describe()
    await embedder.close()
