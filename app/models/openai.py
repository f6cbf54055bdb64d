"""Embeddings from a server that speaks OpenAI's API: POST {url}/embeddings with a bearer key."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from app.models.http import EMBED, ProviderClient
from app.models.protocol import ModelInfo, Vectors, VectorShapeError, normalise_vectors
from app.settings import ModelSettings

DEFAULT_URL = "https://api.openai.com/v1"
TEXTS_PER_CALL = 128
#: A call may hold 300,000 tokens, and a character is rarely more than two tokens.
CHARACTERS_PER_CALL = 100_000


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Embedded(msgspec.Struct):
    data: list[_Item]


class OpenAIEmbedder:
    """A model of an OpenAI-compatible server. Nothing of what it answered is remembered."""

    def __init__(self, settings: ModelSettings, setting: str = EMBED) -> None:
        self._client = ProviderClient(settings, DEFAULT_URL, setting)
        self._model = settings.model
        self._named = f"{setting}.model ({settings.model})"

    async def describe(self) -> ModelInfo:
        """The model and the length of a vector, asked each time; no version is named, so its name is it."""
        dimensions = (await self._embed(["lakeward"], None)).shape[1]
        return ModelInfo(provider="openai", name=self._model, version=self._model, dimensions=dimensions)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`, in calls of at most 128 texts and 100,000 characters."""
        if not texts:
            return np.zeros((0, (await self.describe()).dimensions), np.float32)
        parts: list[Vectors] = []
        for batch in plan_batches(texts):
            parts.append(await self._embed(batch, parts[0].shape[1] if parts else None))
        return np.concatenate(parts)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed(self, texts: Sequence[str], dimensions: int | None) -> Vectors:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        answer = await self._client.post("/embeddings", body, _Embedded)
        items = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in items] != list(range(len(texts))):
            told = f"it is not one vector for each of {len(texts)} texts"
            reason = f"the answer is not one vector for each of {len(texts)} texts"
            raise self._client.fail(reason, told, VectorShapeError)
        rows = [item.embedding for item in items]
        return normalise_vectors(rows, len(texts), dimensions, self._client.name, self._named)


def plan_batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, cut into calls within both limits; a text that is longer than a call goes alone."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == TEXTS_PER_CALL or characters + len(text) > CHARACTERS_PER_CALL):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch
