"""Changes of an index's model: what is asked for, what a job carries, what is measured and answered."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from app.vectors.models import IndexState

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Verdict = Literal["passed", "not judged", "not passed"]


class SwapRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Move an index to another model that is configured, or to an adapter over one.

    The change is made when the new version passes the gate: its HNSW builds find at least `min_recall` of what an exact
    search finds, no row gets lost, and on the judged questions of `eval` nDCG@10 and recall@10 lose at most `max_loss`
    to the version that is live. Without `eval`, parts of the index's own texts are asked for, each of which should find
    its row. `keep` keeps a version that does not pass, `force` changes all the same.
    """

    model: Name | None = None
    provider: Name | None = None
    version: Name | None = None
    adapter: Name | None = None
    eval: Name | None = None
    min_recall: Share = 0.9
    max_loss: Share = 0.01
    keep: bool = False
    force: bool = False


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, and a text that answers it."""

    query: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


class AdapterRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Learn an adapter over an index's model.

    From the questions of the eval set `eval` that have relevant rows, over the model of its index; or from `pairs`,
    over the model of `index`. Of pairs nothing is kept but the adapter.
    """

    name: str
    eval: Name | None = None
    index: Name | None = None
    pairs: Annotated[list[Pair], msgspec.Meta(max_length=2000)] | None = None


class AdapterPlan(msgspec.Struct, frozen=True):
    """The arguments of the job that learns an adapter."""

    name: str
    eval: str
    index: str
    principal: str = ""


class AdapterAccepted(msgspec.Struct, frozen=True):
    """The job that learns an adapter."""

    job_id: str
    name: str
    model: str


class HeldOut(msgspec.Struct, frozen=True):
    """Mean reciprocal rank of the right row among the rows of all pairs, over pairs that were not learnt from."""

    pairs: int
    before: float
    after: float


class AdapterRow(msgspec.Struct, frozen=True):
    """A registered adapter. An index moves to it by its name; its model is `<model>+<name>`."""

    name: str
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    version: str
    trained_on: int
    held_out: HeldOut
    created_by: str
    created_at: datetime
    used_by: list[str]

    def __post_init__(self) -> None:
        """The statements send `held_out` as JSON."""
        if isinstance(self.held_out, dict):
            msgspec.structs.force_setattr(self, "held_out", msgspec.convert(self.held_out, HeldOut))

    @property
    def model(self) -> "Model":
        """What comes of it."""
        return Model(
            self.provider,
            f"{self.model_name}+{self.name}",
            f"{self.model_version}+{self.version}",
            self.dimensions,
        )


class Model(msgspec.Struct, frozen=True):
    """A model as an index names it."""

    provider: str
    name: str
    version: str
    dimensions: int


class SwapPlan(msgspec.Struct, frozen=True):
    """The arguments of a swap's job."""

    index: str
    model: Model
    eval: str | None
    min_recall: float
    max_loss: float
    keep: bool
    force: bool
    principal: str = ""


class RollbackPlan(msgspec.Struct, frozen=True):
    """The arguments of a rollback's job: the version that shall be live again."""

    index: str
    version: int
    principal: str = ""


class SwapAccepted(msgspec.Struct, frozen=True):
    """The job that changes the model, and the model that the index will have."""

    job_id: str
    index: str
    model: str
    model_version: str


class VersionRow(msgspec.Struct, frozen=True):
    """A row of lakeward.vector_index as what concerns its versions."""

    id: int
    name: str
    table_name: str
    state: IndexState
    version: int
    provider: str
    model_name: str
    model_version: str
    dimensions: int

    @property
    def model(self) -> Model:
        """The model whose vectors it has."""
        return Model(self.provider, self.model_name, self.model_version, self.dimensions)


class Quality(msgspec.Struct, frozen=True):
    """How good two versions' exact answers are: means over the judged questions, and how much they agree over all.

    `agreement` is the share of the live version's ten rows that the new one answers, too. A difference of a mean within
    its `margin` (95%) may be chance.
    """

    questions: int
    judged: int
    agreement: float | None = None
    ndcg_before: float | None = None
    ndcg_after: float | None = None
    recall_before: float | None = None
    recall_after: float | None = None
    ndcg_margin: float | None = None
    recall_margin: float | None = None


class GraphRecall(msgspec.Struct, frozen=True):
    """What the new version's HNSW build finds of the exact answer; None: too few chunks to measure."""

    m: int
    ef_construction: int
    ef_search: int
    recall: float | None


class Gate(msgspec.Struct, frozen=True):
    """What was measured of a version before it became live, and in `missed` what of that was not enough.

    `lost` rows could not be embedded by the new model though the old one did. `not judged`: nothing speaks against the
    version, but nothing could show how good its answers are; `missed` says why. By force alone becomes live what is
    `not passed`.
    """

    min_recall: float
    max_loss: float
    graphs: list[GraphRecall]
    quality: Quality | None
    eval: str | None
    lost: int
    missed: list[str]
    verdict: Verdict
    at: datetime


class Swapped(msgspec.Struct, frozen=True):
    """What the job did: the index answers by `model` now, and by `before` until then."""

    index: str
    version: int
    model: str
    model_version: str
    before: str
    before_version: str
    gate: Gate | None = None
