"""Scores of texts for a question: POST {url}/rerank, as Jina, Cohere, vLLM and Hugging Face's TEI answer it."""

import math
from collections.abc import Sequence

import msgspec

from app.models.http import ProviderClient
from app.settings import AnswererSettings

DEFAULT_URL = "http://127.0.0.1:8000/v1"
SETTING = "models.rerank"


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Ranked(msgspec.Struct):
    results: list[_Result]


class HttpReranker:
    """A reranking model of a server."""

    def __init__(self, settings: AnswererSettings) -> None:
        self.model = settings.model
        self._client = ProviderClient(settings, DEFAULT_URL, SETTING)

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """As `Reranker.rerank`."""
        if not texts:
            return []
        body = {"model": self.model, "query": query, "documents": list(texts), "top_n": len(texts)}
        answer = await self._client.post("/rerank", body, _Ranked)
        results = sorted(answer.results, key=lambda result: result.index)
        scores = [result.relevance_score for result in results]
        # of two scores for one text nobody knows which is meant
        if [result.index for result in results] != list(range(len(texts))) or not all(
            map(math.isfinite, scores)
        ):
            told = f"it is not one score for each of {len(texts)} texts"
            raise self._client.fail(f"the answer is not one score for each of {len(texts)} texts", told)
        return scores

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
