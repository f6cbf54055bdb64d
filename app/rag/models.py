"""Questions and their answers."""

from typing import Annotated, Any, Literal

import msgspec

from app.models.protocol import Message


class RagRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question over one index.

    `profile` is for admins, who may ask as a reader. `context_tokens` is the most that the passages may take of the
    prompt, counted as a third of their UTF-8 bytes, which no common tokenizer exceeds for prose.
    """

    question: str
    index: str
    k: Annotated[int, msgspec.Meta(ge=1, le=50)] = 6
    profile: str | None = None
    filter: dict[str, Any] | None = None
    mode: Literal["vector", "text", "hybrid"] = "hybrid"
    rerank: bool = False
    context_tokens: Annotated[int, msgspec.Meta(ge=100, le=100_000)] = 3000
    answer_tokens: Annotated[int, msgspec.Meta(ge=1, le=8000)] = 600


class Citation(msgspec.Struct, frozen=True):
    """Passage `n` of the answer: the text of a chunk, and where in its row's text it begins and ends, in characters."""

    n: int
    doc_key: str | None
    chunk_no: int
    text: str
    start: int
    end: int


class RagAnswer(msgspec.Struct, frozen=True):
    """What the model wrote, with the passages that it cites; without a model all that were found, and why.

    `retrieved` is how many passages the model was shown. `note` says what is missing, or was taken out.
    """

    answer: str | None
    citations: list[Citation]
    model: str | None
    retrieved: int
    duration_ms: float
    note: str | None = None


class EmbedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Texts to embed with models.embed, or the model of that name among models.embedders."""

    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=256)]
    model: str | None = None


class Embedded(msgspec.Struct, frozen=True):
    """A vector of length 1 for each text."""

    model: str
    version: str
    dimensions: int
    vectors: list[list[float]]


class GenerateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt, or a conversation."""

    prompt: str | None = None
    messages: list[Message] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=8000)] = 600


class Generated(msgspec.Struct, frozen=True):
    """What the model wrote."""

    model: str
    text: str
    duration_ms: float


class RerankRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question and texts that may answer it."""

    query: str
    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)]


class Ranked(msgspec.Struct, frozen=True):
    """A text's place in the request, and its score; the best first."""

    index: int
    score: float


class Reranked(msgspec.Struct, frozen=True):
    """The texts in the order of their scores."""

    model: str
    results: list[Ranked]


class ModelStatus(msgspec.Struct, frozen=True):
    """A configured model, and whether it answers. URLs and keys are not told."""

    purpose: Literal["embed", "generate", "rerank"]
    provider: str
    name: str
    version: str | None
    dimensions: int | None
    reachable: bool | None


class ModelStatuses(msgspec.Struct, frozen=True):
    """All of them."""

    items: list[ModelStatus]
    next_cursor: str | None = None
