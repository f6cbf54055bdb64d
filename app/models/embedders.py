"""The embedders of a deployment: the one that new indexes use, and those that older or coming indexes need."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from app.errors import ConflictError, LakewardError, ProviderError
from app.models.adapter import AdaptedEmbedder, Adapter
from app.models.protocol import Embedder, ModelInfo

#: Finds the registered adapter of this provider, name and version, or None.
Source: TypeAlias = Callable[[str, str, str], Awaitable[Adapter | None]]


class Embedders:
    """Finds the embedder that makes the vectors of an index.

    Safe to use from several tasks. What an embedder says of itself is remembered: a model that is exchanged behind its
    URL is noticed when the process starts again, or when its vectors have another length. `sources` are asked for the
    adapters that are not configured but registered.
    """

    def __init__(self, default: Embedder, others: Sequence[Embedder] = ()) -> None:
        self.default = default
        self.all = [default, *others]
        self.sources: list[Source] = []
        self._infos: dict[int, ModelInfo] = {}
        self._adapted: dict[ModelInfo, Embedder] = {}

    async def find(self, provider: str, name: str, version: str) -> Embedder:
        """The embedder of this model and version.

        Raises:
            ConflictError: none of those that are configured is of this model.
            ProviderError: none that answers is, and one is away.
        """
        refused: list[str] = []
        away = False
        for embedder in self.all:
            try:
                info = await self.describe(embedder)
            except LakewardError as exc:
                refused.append(exc.message)
                away = True
                continue
            if (info.name, info.version) == (name, version):
                return embedder
            refused.append(f"{info.provider} has {info.name} ({info.version})")
        adapted = await self._find_adapted(provider, name, version)
        if adapted is not None:
            return adapted
        # what is away may be the one: then it is worth another try
        raise (ProviderError if away else ConflictError)(
            f"no configured model makes vectors of {name} ({version}, {provider}): {'; '.join(refused)[:500]}; set "
            "models.embed back, add the model to models.embedders, or move the index to another model"
        )

    async def _find_adapted(self, provider: str, name: str, version: str) -> Embedder | None:
        for source in self.sources:
            adapter = await source(provider, name, version)
            if adapter is None:
                continue
            found = self._adapted.get(adapter.info)
            if found is None:
                base = await self.find(adapter.base.provider, adapter.base.name, adapter.base.version)
                found = self._adapted[adapter.info] = AdaptedEmbedder(base, adapter.info, adapter.matrix)
            return found
        return None

    async def describe(self, embedder: Embedder) -> ModelInfo:
        """What the embedder was when it was asked first."""
        found = self._infos.get(id(embedder))
        if found is None:
            found = self._infos[id(embedder)] = await embedder.describe()
        return found

    async def list_infos(self) -> list[ModelInfo]:
        """Those that answer, the default first."""
        answers = await asyncio.gather(*map(self.describe, self.all), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, ModelInfo)]

    async def close(self) -> None:
        """Close all of them."""
        for embedder in self.all:
            await embedder.close()
