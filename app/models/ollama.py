"""Embeddings from an Ollama server: POST /api/embed; the version is the digest that /api/tags gives."""

from collections.abc import Sequence

import msgspec
import numpy as np

from app.models.http import EMBED, ProviderClient
from app.models.protocol import ModelInfo, Vectors, normalise_vectors
from app.settings import ModelSettings

DEFAULT_URL = "http://127.0.0.1:11434"
TEXTS_PER_CALL = 64


class _Tag(msgspec.Struct):
    name: str
    digest: str


class _Tags(msgspec.Struct):
    models: list[_Tag]


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]]


class OllamaEmbedder:
    """A model of an Ollama server. Nothing of what it answered is remembered."""

    def __init__(self, settings: ModelSettings, setting: str = EMBED) -> None:
        self._client = ProviderClient(settings, DEFAULT_URL, setting)
        self._model = settings.model
        self._named = f"{setting}.model ({settings.model})"

    async def describe(self) -> ModelInfo:
        """The model, the start of its digest, the length of a vector: asked each time, `ollama pull` may replace it."""
        digest = await self._find_digest()
        if digest is None:
            raise self._client.fail(
                f"it does not have the model {self._model!r}; run: ollama pull {self._model}",
                "its server does not have it",
            )
        dimensions = (await self._embed(["lakeward"], None)).shape[1]
        return ModelInfo(provider="ollama", name=self._model, version=digest[:12], dimensions=dimensions)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`; texts that are longer than the model's context are cut by the server."""
        if not texts:
            return np.zeros((0, (await self.describe()).dimensions), np.float32)
        parts: list[Vectors] = []
        for first in range(0, len(texts), TEXTS_PER_CALL):
            dimensions = parts[0].shape[1] if parts else None
            parts.append(await self._embed(texts[first : first + TEXTS_PER_CALL], dimensions))
        return np.concatenate(parts)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed(self, texts: Sequence[str], dimensions: int | None) -> Vectors:
        body = {"model": self._model, "input": list(texts), "truncate": True}
        answer = await self._client.post("/api/embed", body, _Embedded)
        return normalise_vectors(answer.embeddings, len(texts), dimensions, self._client.name, self._named)

    async def _find_digest(self) -> str | None:
        """Ollama lists a model that was pulled without a tag as `name:latest`."""
        tags = await self._client.get("/api/tags", _Tags)
        wanted = (self._model, f"{self._model}:latest")
        return next((tag.digest.removeprefix("sha256:") for tag in tags.models if tag.name in wanted), None)
