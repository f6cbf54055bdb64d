"""One finite score for each text, or an error."""

from typing import Any

import msgspec
import pytest

from app.errors import ProviderError
from app.models.rerank import HttpReranker
from app.settings import AnswererSettings

SETTINGS = AnswererSettings(provider="openai", model="m", url="http://127.0.0.1:9/v1")


def answering(results: list[dict[str, Any]]) -> HttpReranker:
    reranker = HttpReranker(SETTINGS)

    async def post(path: str, body: dict[str, Any], kind: Any) -> Any:
        assert (path, body["documents"]) == ("/rerank", ["a", "b"])
        return msgspec.convert({"results": results}, kind)

    reranker._client.post = post  # type: ignore[method-assign]
    return reranker


async def test_scores_come_in_the_order_of_the_texts() -> None:
    reranker = answering([{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}])
    assert await reranker.rerank("q", ["a", "b"]) == [0.1, 0.9]
    assert await reranker.rerank("q", []) == []


@pytest.mark.parametrize(
    "results",
    [
        [{"index": 0, "relevance_score": 0.1}],
        [{"index": 0, "relevance_score": 0.1}, {"index": 2, "relevance_score": 0.1}],
        [
            {"index": 0, "relevance_score": 0.1},
            {"index": 1, "relevance_score": 0.1},
            {"index": 1, "relevance_score": 0.9},
        ],
        [{"index": 0, "relevance_score": float("nan")}, {"index": 1, "relevance_score": 0.1}],
    ],
)
async def test_anything_else_is_an_error(results: list[dict[str, Any]]) -> None:
    with pytest.raises(ProviderError, match="one score for each of 2"):
        await answering(results).rerank("q", ["a", "b"])
