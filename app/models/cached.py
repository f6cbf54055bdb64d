"""Vectors of questions that were asked a moment ago, so that an agent that asks again does not wait for a model.

What is kept is a vector under a keyed hash of its text, in this process, for ten minutes: never the text, never on
disk. Each reader has its own entries. If readers shared them, a question that is answered without the model's
milliseconds would tell its asker that somebody else had asked those very words. What one reader can still learn of
another is that its own entries went early, which is that others ask a lot.
"""

import asyncio
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from app.models.protocol import Embedder, ModelInfo, Vectors

#: 6 MB of 384 dimensions, 64 MB of 4,096.
MAX_ENTRIES = 4096
MAX_AGE_S = 600.0

#: Provider, name, version and dimensions.
Model: TypeAlias = tuple[str, str, str, int]
#: Reader, model, text. All of it is hashed: neither names nor texts are in what is kept.
_Key = bytes


class _Entry(NamedTuple):
    vectors: Vectors
    kept_at: float


class QuestionCache:
    """The entries of one process. For one event loop."""

    def __init__(
        self,
        max_entries: int = MAX_ENTRIES,
        max_age_s: float = MAX_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_entries = max_entries
        self._max_age_s = max_age_s
        self._clock = clock
        self._secret = os.urandom(32)
        #: The one that was asked for longest ago is first.
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._running: dict[_Key, asyncio.Task[Vectors]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def wrap(self, embedder: Embedder, model: Model, reader: str | None) -> "CachedEmbedder":
        """`embedder`, which makes the vectors of `model`, for this reader; None: admins."""
        return CachedEmbedder(self, embedder, model, reader)

    def key(self, model: Model, reader: str | None, text: str) -> _Key:
        """Two keys are equal only when reader, model and text are."""
        digest = hashlib.blake2b(key=self._secret, digest_size=24)
        parts = [b"\0" if reader is None else b"\1" + reader.encode("utf-8", "surrogatepass")]
        parts += [str(part).encode("utf-8", "surrogatepass") for part in (*model, text)]
        for part in parts:
            digest.update(len(part).to_bytes(8) + part)
        return digest.digest()

    def find(self, key: _Key) -> Vectors | None:
        """What is kept and not too old; it is then the last to be dropped."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() - entry.kept_at > self._max_age_s:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.vectors

    async def embed_once(self, key: _Key, embedder: Embedder, text: str) -> Vectors:
        """Kept, or under way for another call, or embedded now; a failure is everybody's who waits and is not kept.

        A call that is cancelled takes nothing from the others: the embedding goes on.
        """
        found = self.find(key)
        if found is not None:
            return found
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(embedder.embed([text]))
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _keep(self, key: _Key, done: "asyncio.Task[Vectors]") -> None:
        del self._running[key]
        # asking for the exception also says that it was seen, should nobody wait any more
        if done.cancelled() or done.exception() is not None:
            return
        vectors = np.array(done.result())
        vectors.setflags(write=False)
        self._entries[key] = _Entry(vectors, self._clock())
        while len(self._entries) > self.max_entries:
            self._entries.popitem(last=False)


class CachedEmbedder:
    """An embedder whose calls of one text are answered from the cache; others go through."""

    def __init__(self, cache: QuestionCache, embedder: Embedder, model: Model, reader: str | None) -> None:
        self._cache = cache
        self._embedder = embedder
        self._model = model
        self._reader = reader

    async def describe(self) -> ModelInfo:
        """What it wraps."""
        return await self._embedder.describe()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`; what it returns for one text may be shared and cannot be written to."""
        if len(texts) != 1:
            return await self._embedder.embed(texts)
        key = self._cache.key(self._model, self._reader, texts[0])
        return await self._cache.embed_once(key, self._embedder, texts[0])

    async def close(self) -> None:
        """Nothing: the embedder is not its own."""
