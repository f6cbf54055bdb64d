import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ProviderError
from app.models import openai
from app.models.openai import OpenAIEmbedder, plan_batches
from app.models.protocol import ModelInfo
from app.settings import ModelSettings


def embedder(server) -> OpenAIEmbedder:
    return OpenAIEmbedder(ModelSettings(provider="openai", model="text-3", url=server.url + "/v1", retries=0))


def backwards(request) -> dict:
    """A vector for each text, the last text first, which `index` allows."""
    count = len(request.body["input"])
    data = [{"object": "embedding", "index": n, "embedding": [3.0 * n, 4.0]} for n in reversed(range(count))]
    return {"object": "list", "data": data, "usage": {"total_tokens": 1}}


def test_answers_are_put_in_the_order_of_the_texts(server):
    server.then(backwards)
    vectors = asyncio.run(embedder(server).embed(["a", "b"]))
    np.testing.assert_allclose(vectors, [[0, 1], [0.6, 0.8]], atol=1e-6)
    assert server.requests[0].path == "/v1/embeddings"
    assert server.requests[0].body == {"model": "text-3", "input": ["a", "b"], "encoding_format": "float"}


def test_the_dimensions_are_asked_each_time(server):
    server.then(backwards)

    async def run() -> list:
        model = embedder(server)
        return [await model.describe(), await model.describe(), (await model.embed([])).shape]

    assert asyncio.run(run()) == [ModelInfo("openai", "text-3", "text-3", 2)] * 2 + [(0, 2)]
    assert len(server.requests) == 3


@pytest.mark.parametrize("indexes", [[0], [0, 0], [0, 2], [1, 2], [0, 1, 2], [-1, 0], []])
def test_an_index_that_is_missing_or_doubled_is_refused(server, indexes):
    server.then({"data": [{"index": n, "embedding": [1.0, 2.0]} for n in indexes]})
    with pytest.raises(ProviderError, match="one vector for each of 2 texts"):
        asyncio.run(embedder(server).embed(["a", "b"]))


@settings(deadline=None)
@given(st.lists(st.text(max_size=50), max_size=40), st.integers(1, 10), st.integers(1, 100))
def test_batches_keep_every_text_in_order_within_both_limits(texts, most_texts, most_characters):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai, "TEXTS_PER_CALL", most_texts)
        patch.setattr(openai, "CHARACTERS_PER_CALL", most_characters)
        batches = list(plan_batches(texts))
    assert [text for batch in batches for text in batch] == texts
    for batch in batches:
        assert 1 <= len(batch) <= most_texts
        assert len(batch) == 1 or sum(map(len, batch)) <= most_characters
