"""Activation: what is answered."""

import msgspec

from app.vectors.models import Recall


class VariantConfig(msgspec.Struct, frozen=True):
    """What makes a variant a different build."""

    m: int
    ef_construction: int


class Warmed(msgspec.Struct, frozen=True):
    """One index that is warm: `vectors` were reached by the graph walk; `built` says that the variant is new.

    `recall` is that of the profile's own ef_search; None when the index is too small to be measured. `variant` None: a
    copy in Lance that is too small for a graph, and is scanned.
    """

    index: str
    source: str
    vectors: int
    recall: Recall | None
    variant: VariantConfig | None
    built: bool
    build_ms: float
    warm_ms: float


class ActivationFailure(msgspec.Struct, frozen=True):
    """A binding whose index could not be made ready."""

    binding: str
    error: str


class Activation(msgspec.Struct, frozen=True):
    """What activating a profile did. `dropped` graphs of its indexes were no profile's any more."""

    profile: str
    warmed: list[Warmed]
    failures: list[ActivationFailure]
    duration_ms: float
    dropped: int = 0
