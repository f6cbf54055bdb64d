"""The embedders of a deployment: the one that new indexes use, and those that older or coming indexes need."""

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np

from app.errors import ConflictError, LakewardError, ProviderError
from app.models.adapter import AdaptedEmbedder, Adapter
from app.models.protocol import Embedder, ModelInfo, Vectors, VectorShapeError

#: Finds the registered adapter of this provider, name and version, or None.
Source: TypeAlias = Callable[[str, str, str], Awaitable[Adapter | None]]
#: The provider and the model that the settings name; None where the provider has models of its own.
Configured: TypeAlias = tuple[str, str | None]

#: Who asks meanwhile is told the same without the wait for a time limit; jobs ask anew, see for_jobs.
FAILED_S = 2.0


class Embedders:
    """Finds the embedder that makes the vectors of an index.

    Safe to use from several tasks. What an embedder says of itself is remembered: a model that is exchanged behind its
    URL is noticed when the process starts again, or when its vectors have another length than was asked for: then it is
    described anew. That one failed is remembered for FAILED_S. `sources` are asked for the adapters that are not
    configured but registered.
    """

    def __init__(
        self,
        default: Embedder,
        others: Sequence[Embedder] = (),
        configured: Sequence[Configured] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`configured` is what the settings say of each, the default first; one without could be of any model."""
        self.default = default
        self.all = [default, *others]
        self.sources: list[Source] = []
        self._configured = dict(zip(map(id, self.all), configured, strict=False))
        self._clock = clock
        self._failed_s = FAILED_S
        self._infos: dict[int, ModelInfo] = {}
        self._failed: dict[int, tuple[float, LakewardError]] = {}
        self._adapted: dict[ModelInfo, Embedder] = {}

    def for_jobs(self) -> "Embedders":
        """The same without a memory of failures: an attempt is not spent on what somebody else was told."""
        made = copy.copy(self)
        made._failed_s, made._failed = 0.0, {}
        return made

    async def find(self, provider: str, name: str, version: str, dimensions: int | None = None) -> Embedder:
        """The embedder of this model and version. Those that cannot be it are not asked: they may be slow, or away.

        With `dimensions` it fails rather than answer vectors of another length.

        Raises:
            ConflictError: none of those that are configured is of this model.
            ProviderError: none that answers is, and one is away that may be.
            VectorShapeError: it has other dimensions, by what it says now.
        """
        if dimensions is None:
            return await self._find(provider, name, version)
        for embedder in self.all:
            if self._is_known(embedder, name, version) and self._infos[id(embedder)].dimensions != dimensions:
                self._forget(embedder)
        found = await self._find(provider, name, version)
        info = self._infos.get(id(found))
        if info is not None and info.dimensions != dimensions:
            raise plan_other_dimensions(name, info.dimensions, dimensions)
        return SizedEmbedder(found, name, dimensions, partial(self._forget, found))

    def _forget(self, embedder: Embedder) -> None:
        self._infos.pop(id(embedder), None)

    async def _find(self, provider: str, name: str, version: str) -> Embedder:
        for embedder in self.all:
            if self._is_known(embedder, name, version):
                return embedder
        failed: list[LakewardError] = []
        for embedder in self.all:
            if id(embedder) in self._infos or not self._may_be(embedder, provider, name):
                continue
            try:
                await self.describe(embedder)
            except LakewardError as exc:
                failed.append(exc)
            if self._is_known(embedder, name, version):
                return embedder
        adapted = await self._find_adapted(provider, name, version)
        if adapted is not None:
            return adapted
        raise self._plan_error(provider, name, version, failed)

    def _is_known(self, embedder: Embedder, name: str, version: str) -> bool:
        info = self._infos.get(id(embedder))
        return info is not None and (info.name, info.version) == (name, version)

    def _may_be(self, embedder: Embedder, provider: str, name: str) -> bool:
        configured = self._configured.get(id(embedder))
        return configured is None or (configured[0] == provider and configured[1] in (None, name))

    def _plan_error(
        self, provider: str, name: str, version: str, failed: Sequence[LakewardError]
    ) -> LakewardError:
        infos = [f"{info.provider} has {info.name} ({info.version})" for info in self._infos.values()]
        unasked = [
            f"{self._configured[id(embedder)][0]} is for {self._configured[id(embedder)][1] or 'its own model'}"
            for embedder in self.all
            if id(embedder) not in self._infos and not self._may_be(embedder, provider, name)
        ]
        reasons = "; ".join([*(error.message for error in failed), *infos, *unasked])
        message = (
            f"no configured model makes vectors of {name} ({version}, {provider}): {reasons[:500]}; set "
            "models.embed back, add the model to models.embedders, or move the index to another model"
        )
        if not failed:
            return ConflictError(message)
        # what is away may be the one: then it is worth another try
        told = "; ".join(error.for_readers for error in failed)
        return ProviderError(message, for_readers=f"no vectors of {name} can be made now: {told[:500]}")

    async def _find_adapted(self, provider: str, name: str, version: str) -> Embedder | None:
        for source in self.sources:
            adapter = await source(provider, name, version)
            if adapter is None:
                continue
            found = self._adapted.get(adapter.info)
            if found is None:
                base = adapter.base
                embedder = await self.find(base.provider, base.name, base.version, base.dimensions)
                found = self._adapted[adapter.info] = AdaptedEmbedder(embedder, adapter.info, adapter.matrix)
            return found
        return None

    async def describe(self, embedder: Embedder) -> ModelInfo:
        """What the embedder was when it was asked first.

        Raises:
            LakewardError: it failed, now or less than FAILED_S ago.
        """
        found = self._infos.get(id(embedder))
        if found is not None:
            return found
        until, error = self._failed.get(id(embedder), (0.0, None))
        if error is not None and self._clock() < until:
            raise error.with_traceback(None)
        try:
            found = self._infos[id(embedder)] = await embedder.describe()
        except LakewardError as exc:
            self._failed[id(embedder)] = (self._clock() + self._failed_s, exc)
            raise
        return found

    async def list_infos(self) -> list[ModelInfo]:
        """Those that answer, the default first."""
        answers = await asyncio.gather(*map(self.describe, self.all), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, ModelInfo)]

    async def close(self) -> None:
        """Close all of them."""
        for embedder in self.all:
            await embedder.close()


class SizedEmbedder:
    """An embedder that fails when its vectors have another length than `dimensions`, and says so to `forget`."""

    def __init__(self, embedder: Embedder, name: str, dimensions: int, forget: Callable[[], None]) -> None:
        self._embedder = embedder
        self._name = name
        self._dimensions = dimensions
        self._forget = forget

    async def describe(self) -> ModelInfo:
        """What it wraps."""
        return await self._embedder.describe()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`.

        Raises:
            VectorShapeError: the vectors have another length.
        """
        vectors = await self._embedder.embed(texts)
        shape = np.shape(vectors)
        if len(shape) == 2 and shape[1] != self._dimensions:
            self._forget()
            raise plan_other_dimensions(self._name, shape[1], self._dimensions)
        return vectors

    async def close(self) -> None:
        """Nothing: the embedder is not its own."""


def plan_other_dimensions(name: str, answered: int, needed: int) -> VectorShapeError:
    """The failure of a model that answers vectors of `answered` dimensions where `needed` are."""
    told = f"the model {name} answered vectors of {answered} dimensions, and {needed} are needed"
    return VectorShapeError(
        f"{told}: its provider is mistaken, or has another model of that name by now; check what serves it, or move "
        "the index to another model",
        for_readers=told,
    )
