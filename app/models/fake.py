"""The one seam where tests may do without a model: deterministic vectors from the words of a text."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from app.models.protocol import ModelInfo, Vectors, normalise_vectors


class FakeEmbedder:
    """Hashes words into buckets: texts that share words are near, and nothing is downloaded or learnt.

    `embedded` holds every text that was embedded, in order; `calls` counts the calls.
    """

    def __init__(self, dimensions: int = 384, name: str = "fake", version: str = "1") -> None:
        self._info = ModelInfo(provider="fake", name=name, version=version, dimensions=dimensions)
        self.embedded: list[str] = []
        self.calls = 0

    async def describe(self) -> ModelInfo:
        """The name, version and dimensions it was made with."""
        return self._info

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """The hashed words of each text, counted, L2-normalised; without words, the first unit vector."""
        self.calls += 1
        self.embedded.extend(texts)
        if not texts:
            return np.zeros((0, self._info.dimensions), np.float32)
        rows = [self._count_words(text) for text in texts]
        return normalise_vectors(rows, len(texts), self._info.dimensions, "fake")

    async def close(self) -> None:
        """Nothing to give back."""

    def _count_words(self, text: str) -> list[float]:
        row = [0.0] * self._info.dimensions
        for word in re.findall(r"\w+", text.lower()):
            digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
            row[int.from_bytes(digest) % len(row)] += 1.0
        if not any(row):
            row[0] = 1.0
        return row
