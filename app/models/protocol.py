"""What every embedding provider promises, and the check that holds it to that."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import ProviderError

#: One row per text, float32, each row of length 1, so that the dot product is the cosine.
Vectors: TypeAlias = npt.NDArray[np.float32]


class VectorShapeError(ProviderError):
    """The model answers vectors of another length than those they are compared with, or another number of them."""


class ModelInfo(msgspec.Struct, frozen=True):
    """Which model answers. Vectors of two models with another `name` or `version` must not share an index."""

    provider: str
    name: str
    version: str
    dimensions: int


class Embedder(Protocol):
    """A provider of embeddings. Safe to use from several tasks at once."""

    async def describe(self) -> ModelInfo:
        """The model as it is now; a remote provider is asked.

        Raises:
            ProviderError: it is away, or does not have the model.
        """
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the texts, in their order: float32, shape (len(texts), dimensions), L2-normalised.

        Raises:
            ProviderError: no answer, or not one vector of finite numbers for each text.
            VectorShapeError: one of these: vectors of other dimensions, or too few of them.
            InvalidInputError: a text that is not Unicode (a lone surrogate).
        """
        ...

    async def close(self) -> None:
        """Give back threads and connections. An embedder that was closed embeds nothing more."""
        ...


class Message(msgspec.Struct, frozen=True):
    """One turn of what a model is told."""

    role: Literal["system", "user", "assistant"]
    content: str


class Generator(Protocol):
    """A provider that writes answers. Safe to use from several tasks at once."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    def generate(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[str, None]:
        """The answer in pieces, as they come; closing the generator ends the call.

        Raises:
            ProviderError: no answer, or one that breaks off.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class Reranker(Protocol):
    """A provider that reads a question beside each text. Safe to use from several tasks at once."""

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, in the texts' order; larger is better.

        Raises:
            ProviderError: no answer, or not one finite number for each text.
        """
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


def normalise_vectors(
    answer: Any, texts: int, dimensions: int | None, provider: str, setting: str | None = None
) -> Vectors:
    """A provider's answer as L2-normalised float32 of shape (texts, dimensions); `dimensions` None takes any.

    `setting` names the model, for the message.

    Raises:
        VectorShapeError: another shape.
        ProviderError: no vectors, a component that is not finite, or a vector of zeros.
    """
    try:
        vectors = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise _no_vectors(provider, "vectors of unequal length") from exc
    expected = vectors.shape[1] if dimensions is None and vectors.ndim == 2 else dimensions
    if vectors.shape != (texts, expected) or not expected:
        shape = f"vectors of shape {vectors.shape} for {texts} texts of {expected or 'some'} dimensions"
        raise VectorShapeError(
            f"{provider} answered {shape}{f'; check {setting}' if setting else ''}",
            for_readers=f"the model answered {shape}",
        )
    if not np.isfinite(vectors).all():
        raise _no_vectors(provider, "a vector with components that are not finite numbers")
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        raise _no_vectors(provider, "a vector of zeros, which has no direction")
    # Divided by the largest first: the squares of components such as 1e200 are not finite.
    scaled = vectors / largest
    normalised: Vectors = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return normalised


def _no_vectors(provider: str, answered: str) -> ProviderError:
    """`provider` may be an address, which is the admins' business."""
    return ProviderError(f"{provider} answered {answered}", for_readers=f"the model answered {answered}")
