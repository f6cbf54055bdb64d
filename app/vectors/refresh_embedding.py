"""Embeds texts by a model that may be slow, away, or refuse some of them.

A call that failed says little about why. So a word that every model knows is embedded next: when that fails too, the
model is away and is waited for; when it does not, the texts of the call are halved until the one that it refuses is
alone. What was embedded is kept in either case.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.errors import ConflictError, InvalidInputError, LakewardError, ProviderError
from app.models.protocol import Embedder, VectorShapeError

#: The word that is embedded to see whether the model is there.
PROBE = "lakeward"
#: Seconds that one call should take: short enough to be cancelled soon, and to lose little in a crash.
TARGET_S = 1.5
FIRST_TEXTS, MAX_TEXTS = 64, 1024
#: A call without an answer for so long has failed, whatever the provider's own limit is.
CALL_S = 300.0
FIRST_WAIT_S, MAX_WAIT_S = 0.5, 30.0
#: A model that is away for so long ends the attempt; the job is tried again later.
PATIENCE_S = 60.0
#: So many texts refused in a row, and none embedded: it is the model, not the texts.
MAX_REFUSED = 50
#: The largest finite half-precision float.
MAX_HALF = 65504.0
MAX_REASON = 300


class Pace:
    """How many texts a call gets: as many as take about TARGET_S, at most twice or half as many as before."""

    def __init__(self, size: int = FIRST_TEXTS) -> None:
        self.size = size

    def took(self, texts: int, seconds: float) -> None:
        """A call succeeded. One that was not full says nothing about a full one."""
        if texts < self.size:
            return
        wanted = texts * TARGET_S / max(seconds, 0.001)
        self.size = round(min(max(wanted, self.size / 2, 1), self.size * 2, MAX_TEXTS))

    def failed(self, seconds: float) -> None:
        """A call failed: the next is smaller, when the model may just have been too slow for this one."""
        if seconds > 2 * TARGET_S:
            self.size = max(1, self.size // 2)


#: Hears what is waited for; None: it goes on.
Tell: TypeAlias = Callable[[str | None], Awaitable[None]]


class Embedded(msgspec.Struct, frozen=True):
    """One row of `vectors` per text; of a text in `refused` (by position, with the reason) it has no meaning."""

    vectors: NDArray[np.float32]
    refused: dict[int, str]


class PatientEmbedder:
    """Embeds for an index of `dimensions`; counts what it does. For one job: its pace is the job's.

    `tell` hears what it waits for, and None when it goes on.
    """

    def __init__(
        self,
        embedder: Embedder,
        dimensions: int,
        *,
        patience_s: float | None = None,
        call_s: float | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        tell: Tell | None = None,
    ) -> None:
        self._tell = tell
        self.pace = Pace()
        self._embedder = embedder
        self._dimensions = dimensions
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._call_s = CALL_S if call_s is None else call_s
        self._sleep = sleep
        self._refused_in_row = 0

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Vectors for the texts, but for those that the model refuses.

        Raises:
            ProviderError: the model stayed away, or refuses all it is given.
            ConflictError: it answers other dimensions, or another number of vectors; asking again changes nothing.
        """
        answer = Embedded(np.zeros((len(texts), self._dimensions), np.float32), {})
        first = 0
        while first < len(texts):
            last = min(first + self.pace.size, len(texts))
            await self._embed(texts, range(first, last), answer)
            first = last
        return answer

    async def _embed(self, texts: Sequence[str], span: Sequence[int], answer: Embedded) -> None:
        error = await self._try(texts, span, answer)
        if error is None:
            return
        await self._wait_for_model(error)
        if len(span) > 1:
            middle = len(span) // 2
            await self._embed(texts, span[:middle], answer)
            await self._embed(texts, span[middle:], answer)
            return
        # once more, since what failed may have passed
        error = await self._try(texts, span, answer)
        if error is not None:
            await self._wait_for_model(error)
            self._refuse(span[0], error, answer)

    async def _try(self, texts: Sequence[str], span: Sequence[int], answer: Embedded) -> LakewardError | None:
        started = time.perf_counter()
        try:
            vectors = await self._call([texts[position] for position in span])
        except (ProviderError, InvalidInputError) as exc:
            self.pace.failed(time.perf_counter() - started)
            return exc
        answer.vectors[list(span)] = vectors
        self._refused_in_row = 0
        self.pace.took(len(span), time.perf_counter() - started)
        return None

    async def _call(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            async with asyncio.timeout(self._call_s):
                vectors = np.asarray(await self._embedder.embed(texts), np.float32)
        except TimeoutError as exc:
            raise ProviderError(f"no vectors within {self._call_s:g} s") from exc
        except (TypeError, ValueError) as exc:
            raise ProviderError("what was answered are no vectors") from exc
        if vectors.shape != (len(texts), self._dimensions):
            raise VectorShapeError(
                f"vectors of shape {vectors.shape} were answered, the index needs "
                f"({len(texts)}, {self._dimensions})"
            )
        # NaN is not below it either
        if not (np.abs(vectors) <= MAX_HALF).all():
            raise ProviderError("a vector with components that are not finite numbers was answered")
        if not vectors.any(axis=1).all():
            raise ProviderError("a vector of zeros was answered, which has no direction")
        return vectors

    async def _wait_for_model(self, error: LakewardError) -> None:
        """Return once the model embeds a word.

        Raises:
            ProviderError: it does not, for too long; the first error's message says why.
            ConflictError: it answers, but not as a model of the index.
        """
        wait_s, deadline = FIRST_WAIT_S, time.monotonic() + self._patience_s
        told = False
        while True:
            try:
                await self._call([PROBE])
            except VectorShapeError as exc:
                raise ConflictError(
                    f"the model is not the index's: {exc.message}. Set models.embed, or its entry of models.embedders, "
                    "back, or move the index to another model"
                ) from exc
            except (ProviderError, InvalidInputError):
                if time.monotonic() + wait_s > deadline:
                    raise ProviderError(error.message) from error
            else:
                if told and self._tell is not None:
                    await self._tell(None)
                return
            if not told and self._tell is not None:
                await self._tell(f"waiting for the model: {error.message[:MAX_REASON]}")
            told = True
            await self._sleep(wait_s)
            wait_s = min(wait_s * 2, MAX_WAIT_S)

    def _refuse(self, position: int, error: LakewardError, answer: Embedded) -> None:
        self._refused_in_row += 1
        if self._refused_in_row > MAX_REFUSED:
            raise ProviderError(
                f"the model refused {MAX_REFUSED} texts in a row, the last with: {error.message[:MAX_REASON]}"
            )
        answer.refused[position] = error.message[:MAX_REASON]
