import asyncio

import numpy as np
import pytest

from app.errors import ProviderError
from app.models.ollama import OllamaEmbedder
from app.models.protocol import ModelInfo
from app.settings import ModelSettings

DIGEST = "1b226e2802dbb772b5fc32a58f103ca1804ef7501331012de126ab22f67475ef"


def embedder(server, **settings) -> OllamaEmbedder:
    return OllamaEmbedder(
        ModelSettings(provider="ollama", model="all-minilm", url=server.url, retries=0, **settings)
    )


def tags(digest: str = DIGEST) -> dict:
    return {
        "models": [{"name": "llama3:8b", "digest": "0" * 64}, {"name": "all-minilm:latest", "digest": digest}]
    }


def embeddings(request) -> dict:
    """Vectors of length 3 x their position + 1, so that order and normalisation show."""
    return {
        "model": "all-minilm",
        "embeddings": [[3.0 * n, 4.0, 0.0] for n in range(len(request.body["input"]))],
    }


def test_texts_are_embedded_in_order_and_normalised(server):
    server.then(embeddings)
    vectors = asyncio.run(embedder(server).embed(["a", "b"]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0, 1, 0], [0.6, 0.8, 0]], atol=1e-6)
    assert server.requests[0].path == "/api/embed"
    assert server.requests[0].body == {"model": "all-minilm", "input": ["a", "b"], "truncate": True}


def test_many_texts_go_in_several_calls(server):
    server.then(embeddings)
    vectors = asyncio.run(embedder(server).embed([f"t{n}" for n in range(150)]))
    assert vectors.shape == (150, 3)
    assert [len(seen.body["input"]) for seen in server.requests] == [64, 64, 22]
    assert [text for seen in server.requests for text in seen.body["input"]] == [f"t{n}" for n in range(150)]


def test_no_text_is_no_row(server):
    server.then(tags()).then(embeddings)
    assert asyncio.run(embedder(server).embed([])).shape == (0, 3)


def test_the_version_is_the_digest_and_is_asked_each_time(server):
    server.then(tags()).then(embeddings).then(tags()).then(embeddings)
    server.then(tags("sha256:" + "a" * 64)).then({"embeddings": [[1.0, 2.0]]})

    async def run() -> list[ModelInfo]:
        model = embedder(server)
        return [await model.describe() for _ in range(3)]

    first, second, third = asyncio.run(run())
    assert first == second == ModelInfo("ollama", "all-minilm", DIGEST[:12], 3)
    assert (third.version, third.dimensions) == ("a" * 12, 2)


def test_a_model_that_is_not_there_says_how_to_get_it(server):
    server.then({"models": []})
    with pytest.raises(ProviderError, match=r"ollama pull all-minilm") as caught:
        asyncio.run(embedder(server).describe())
    assert server.url in caught.value.message


def test_a_model_that_changes_its_dimensions_between_calls_of_one_answer_is_refused(server):
    server.then(embeddings).then({"embeddings": [[1.0, 2.0]] * 6})
    with pytest.raises(ProviderError, match=r"shape \(6, 2\) for 6 texts of 3 dimensions"):
        asyncio.run(embedder(server).embed(["a"] * 70))


@pytest.mark.parametrize(
    "body",
    [
        b'{"embeddings": [[NaN, 1.0], [1.0, 2.0]]}',
        b'{"embeddings": [[1e999, 1.0], [1.0, 2.0]]}',
        b'{"embeddings": [[null, 1.0], [1.0, 2.0]]}',
        b'{"embeddings": [["1", 1.0], [1.0, 2.0]]}',
        {"embeddings": [[1.0, 2.0]]},
        {"embeddings": [[1.0, 2.0], [1.0]]},
        {"embeddings": [[1.0, 2.0], [0.0, 0.0]]},
        {"embeddings": [[], []]},
        {"embeddings": []},
        {"embeddings": None},
        {"embedding": [1.0, 2.0]},
    ],
)
def test_an_answer_that_is_not_a_vector_for_each_text_is_refused(server, body):
    server.then(body)
    with pytest.raises(ProviderError, match=r"127\.0\.0\.1"):
        asyncio.run(embedder(server).embed(["a", "b"]))
