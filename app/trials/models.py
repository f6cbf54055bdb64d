"""Eval sets, trials and autotune: what is asked for, what is kept, what is answered."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from app.profiles.models import HnswConfig

Type = Literal["halfvec", "vector", "binary"]
Kind = Literal["trial", "autotune"]
Metric = Literal["recall", "latency", "pareto"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
K = Annotated[int, msgspec.Meta(ge=1, le=100)]
#: Called often while something long runs; what it raises ends that.
Tick: TypeAlias = Callable[[], Awaitable[None]]


class EvalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question: a text or a vector, and the keys of the rows that would be a good answer to it, where known."""

    text: str | None = None
    vector: list[float] | None = None
    relevant: Annotated[list[Name], msgspec.Meta(max_length=1000)] = []


class EvalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named set of questions to one index."""

    name: str
    index: Name
    queries: Annotated[list[EvalQuery], msgspec.Meta(min_length=1, max_length=10_000)]


class AutogenRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Questions made of the index's own rows, parts of its chunks' texts, or by `log` those that were asked last.

    What was asked is kept only where the settings say so (audit.keep_questions). A set that has other questions is
    left as it is, unless these shall `replace` all that it has.
    """

    index: Name
    queries: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 500
    source: Literal["rows", "log"] = "rows"
    replace: bool = False


class EvalSet(msgspec.Struct, frozen=True):
    """An eval set; `generated` of its queries are parts of rows, `judged` have rows that are known to be relevant.

    Its `version` changes when a question comes or goes. What was measured with different versions does not compare.
    """

    name: str
    index: str
    queries: int
    generated: int
    judged: int
    version: str
    created_by: str
    created_at: datetime


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HNSW build, and the beams it is searched with; pgvector's limits, and ef_construction >= 2 * m.

    `halfvec` is what indexes are made of. `vector` is twice as large; `binary` finds ef_search rows by the signs of
    their components and sorts these by their distance.
    """

    m: Annotated[int, msgspec.Meta(ge=2, le=100)]
    ef_construction: Annotated[int, msgspec.Meta(ge=4, le=1000)]
    ef_search: Annotated[
        list[Annotated[int, msgspec.Meta(ge=1, le=1000)]], msgspec.Meta(min_length=1, max_length=50)
    ]
    type: Type = "halfvec"


class TrialRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Arms to measure on an index with the questions of an eval set."""

    index: Name
    eval: Name
    arms: Annotated[list[Arm], msgspec.Meta(min_length=1, max_length=50)]
    k: K = 10


class AutotuneRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Find the fastest config whose recall is at least `target_recall`; `eval` None makes questions of the rows.

    With `profile` the answer says what makes the config that profile's. Nothing is changed.
    """

    index: Name
    target_recall: float
    eval: Name | None = None
    profile: Name | None = None
    k: K = 10


class TrialAccepted(msgspec.Struct, frozen=True):
    """The job that measures, and the eval set it asks."""

    job_id: str
    index: str
    eval: str


class Build(msgspec.Struct, frozen=True):
    """What makes an arm a different graph."""

    m: int
    ef_construction: int
    type: Type


class MeasuredArm(msgspec.Struct, frozen=True):
    """The config of one measurement."""

    m: int
    ef_construction: int
    type: Type
    ef_search: int


class Measurement(msgspec.Struct, frozen=True):
    """A row of the trial journal. `recall_low` and `recall_high` are the ends of its 95% interval.

    `model_name` and `model_version` are those of the index's version that was measured, `eval_version` is that of the
    eval set; None: it was measured when that was not kept.
    Times are microseconds of single searches, one after another, from Lakeward to Postgres and back.
    """

    id: int
    job_id: str
    kind: Kind
    eval: str
    eval_version: str | None
    arm: MeasuredArm
    k: int
    queries: int
    vectors: int
    model_name: str
    model_version: str
    recall: float
    recall_low: float
    recall_high: float
    p50_us: float
    p95_us: float
    p99_us: float
    build_s: float
    bytes: int
    measured_at: datetime

    def __post_init__(self) -> None:
        """The statements send `arm` as one JSON object."""
        if isinstance(self.arm, dict):
            msgspec.structs.force_setattr(self, "arm", msgspec.convert(self.arm, MeasuredArm))


class Best(msgspec.Struct, frozen=True):
    """The best of an index's measurements with one eval set: by recall or latency one, of the Pareto line all.

    By latency only what reaches `min_recall` counts. `eval` is None when nothing was measured yet.
    """

    index: str
    metric: Metric
    eval: str | None
    k: int
    min_recall: float
    items: list[Measurement]


class ProfileOffer(msgspec.Struct, frozen=True):
    """The request that makes a config the profile's; nobody has sent it."""

    method: str
    path: str
    body: dict[str, Any]


class Tuned(msgspec.Struct, frozen=True):
    """What autotune found. When nothing `reached` the target, `config` is the one with the best recall.

    `evidence` is what was measured for it, of each config what was measured last, which is in turns; the journal has
    all of it. `plot` is where the picture is.
    """

    index: str
    eval: str
    target_recall: float
    reached: bool
    config: HnswConfig
    best: Measurement
    evidence: list[Measurement]
    plot: str
    offer: ProfileOffer | None


class IndexCache(msgspec.Struct, frozen=True):
    """One index for one profile: how large it is, and how it is kept in memory.

    `variant_bytes` and `state` are of the HNSW build that the profile searches; `state` is None while there is none and
    searches are exact. With `backend` lance the profile searches a copy outside Postgres, of which nothing is known
    here: all that would be of a graph is None. Blocks and the last use are of all readers, so only admins are told.
    """

    index: str
    source: str
    profile: str
    backend: Literal["pgvector", "lance"]
    config: HnswConfig
    state: Literal["building", "ready", "failed"] | None
    chunk_bytes: int
    text_bytes: int
    variant_bytes: int | None
    blocks_hit: int | None
    blocks_read: int | None
    hit_ratio: float | None
    scans: int | None
    last_used_at: datetime | None

    def __post_init__(self) -> None:
        """The statement sends `config` as one JSON object."""
        if isinstance(self.config, dict):
            msgspec.structs.force_setattr(self, "config", msgspec.convert(self.config, HnswConfig))


class CacheStats(msgspec.Struct, frozen=True):
    """A page of the caller's part of the indexes, and what Postgres has to keep all of them in."""

    shared_buffers_bytes: int | None
    items: list[IndexCache]
    next_cursor: str | None = None
