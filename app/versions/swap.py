"""Another model for an index: a version beside the live one, behind a gate, exchanged when it is complete; and back.

Nothing is exchanged but two rows' names, so whatever ends the work before leaves the index as it was. A version that
was begun stays where its embedding was, and the next attempt goes on with it; when it is cancelled, it goes.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from app.db.database import Database
from app.db.scope import Actor, Scope
from app.errors import (
    ConflictError,
    InternalError,
    InvalidInputError,
    LakewardError,
    NotFoundError,
    ProviderError,
    UnavailableError,
)
from app.jobs.context import JobContext, JobStoppedError
from app.models.embedders import Embedders
from app.trials.models import Tick
from app.vectors.indexing import index_pending
from app.versions.gate import build_graphs, finds_any, keep_gate, measure_quality, read_asked
from app.versions.models import Gate, GraphRecall, Quality, RollbackPlan, Swapped, SwapPlan, VersionRow
from app.versions.plan import plan_unfit, plan_unjudged, plan_verdict
from app.versions.shadow import (
    count_lost,
    count_pending,
    drop_abandoned,
    drop_older,
    drop_version,
    ensure_shadow,
    exchange,
    get_family,
)

#: Rows that change while the new version is being made are embedded once more; somebody may change some all the time.
ROUNDS = 20


async def run_swap(context: JobContext, embedders: Embedders, plan: SwapPlan) -> Swapped:
    """Make the version, measure it, exchange it for the live one.

    Raises:
        NotFoundError: the index was deleted meanwhile.
        ConflictError: the gate is not passed, the figures are in the message; or a model is not configured any more.
        InvalidInputError: the live version finds nothing of what the eval set asks for.
        ProviderError: the new model stayed away; what it has embedded is kept.
        UnavailableError: rows change faster than they are embedded; the same job goes on.
    """
    owner = context.database.owner(Actor(principal=plan.principal, source="job:swap"))
    try:
        async with _while_there(owner, plan.index):
            return await _swap(context, embedders, owner, plan)
    except JobStoppedError:
        if context.cancelled:
            await drop_abandoned(owner, plan.index, context.job_id)
        raise


@contextlib.asynccontextmanager
async def _while_there(owner: Scope, index: str) -> AsyncIterator[None]:
    """An index that is deleted meanwhile, with the tables this works on, is not found."""
    try:
        yield
    except InternalError:
        await get_family(owner, index)
        raise


async def _swap(context: JobContext, embedders: Embedders, owner: Scope, plan: SwapPlan) -> Swapped:
    family = await get_family(owner, plan.index)
    if family.live.model == plan.model:
        # an earlier attempt came so far
        before = family.retired[-1] if family.retired else family.live
        return await _finish(context.database, owner, plan.index, family.live, before)
    await embedders.find(plan.model.provider, plan.model.name, plan.model.version)
    await _require_found(context, embedders, owner, plan, family.live)
    new = await ensure_shadow(owner, plan.index, plan.model)
    graphs = await _complete(context, embedders, owner, plan.index, new)
    gate = await _measure(context, embedders, owner, plan, family.live, new, graphs)
    await keep_gate(owner, new, gate)
    if gate.verdict == "not passed" and not plan.force:
        if not plan.keep:
            await drop_version(owner, new)
        raise ConflictError(
            f"index {plan.index!r} stays with {family.live.model_name}: {'; '.join(gate.missed)}. "
            + ("The new version is kept" if plan.keep else "The new version was dropped")
            + "; force changes the model all the same"
        )
    before = await _exchange(context, embedders, owner, plan.index, new, gate.lost)
    return await _finish(context.database, owner, plan.index, new, before, gate)


async def _require_found(
    context: JobContext, embedders: Embedders, owner: Scope, plan: SwapPlan, live: VersionRow
) -> None:
    """An eval set of which the live version finds nothing is refused before all is embedded."""
    if plan.eval is None or plan.force:
        return

    async def tick() -> None:
        await context.report(context.done)

    try:
        asked = await read_asked(owner, live, plan.eval)
        found = await finds_any(context.database, embedders, live, asked, tick)
    except (ConflictError, InvalidInputError, NotFoundError, ProviderError):
        return  # it is said when the version is judged
    judged = sum(bool(question.relevant) for question in asked)
    unfit = plan_unfit(plan.eval, len(asked), judged, found=found)
    if unfit is not None:
        raise InvalidInputError(f"{unfit}; force changes the model all the same")


async def run_rollback(context: JobContext, embedders: Embedders, plan: RollbackPlan) -> Swapped:
    """Make the version live again that was live before; rows that changed since are embedded first.

    Raises:
        NotFoundError: the index, or that version, was deleted meanwhile.
        ConflictError: rows wait in it, and its model is not configured any more.
        ProviderError: its model stayed away.
    """
    owner = context.database.owner(Actor(principal=plan.principal, source="job:rollback"))
    async with _while_there(owner, plan.index):
        return await _roll_back(context, embedders, owner, plan)


async def _roll_back(context: JobContext, embedders: Embedders, owner: Scope, plan: RollbackPlan) -> Swapped:
    family = await get_family(owner, plan.index)
    if family.live.version == plan.version:
        before = family.retired[-1] if family.retired else family.live
        return await _finish(context.database, owner, plan.index, family.live, before)
    found = [version for version in family.retired if version.version == plan.version]
    if not found:
        raise NotFoundError(f"version {plan.version} of index {plan.index!r} was deleted meanwhile")
    await _complete(context, embedders, owner, plan.index, found[0])
    before = await _exchange(context, embedders, owner, plan.index, found[0], 0)
    return await _finish(context.database, owner, plan.index, found[0], before)


async def _complete(
    context: JobContext, embedders: Embedders, owner: Scope, index: str, version: VersionRow
) -> list[GraphRecall]:
    """Embed what waits in the version, and build the graphs that it lacks."""
    if await count_pending(owner, version):
        await index_pending(context.database, embedders, version.name, context.report, tell=context.tell)
    return await build_graphs(context.database, owner, index, version)


async def _measure(
    context: JobContext,
    embedders: Embedders,
    owner: Scope,
    plan: SwapPlan,
    live: VersionRow,
    new: VersionRow,
    graphs: list[GraphRecall],
) -> Gate:
    async def tick() -> None:
        await context.report(context.done)

    quality, missed, notes = await _judge(context.database, embedders, owner, plan, live, new, tick)
    lost = await count_lost(owner, new, live)
    own = plan.eval is None
    missed += plan_verdict(graphs, quality, lost, plan.min_recall, plan.max_loss, own=own)
    return Gate(
        min_recall=plan.min_recall,
        max_loss=plan.max_loss,
        graphs=graphs,
        quality=quality,
        eval=plan.eval,
        lost=lost,
        missed=missed + notes,
        verdict="not passed" if missed else "not judged" if notes else "passed",
        at=datetime.now(UTC),
    )


async def _judge(
    database: Database,
    embedders: Embedders,
    owner: Scope,
    plan: SwapPlan,
    live: VersionRow,
    new: VersionRow,
    tick: Tick,
) -> tuple[Quality | None, list[str], list[str]]:
    """How good the new version's answers are; why that cannot be said and speaks against it, and why it does not."""
    quality: Quality | None = None
    try:
        asked = await read_asked(owner, live, plan.eval)
        quality = await measure_quality(database, embedders, live, new, asked, tick)
    except ProviderError as exc:
        if not plan.force:
            # what is embedded is kept, and the next attempt goes on with it
            raise ProviderError(
                f"the new version could not be judged: {exc.message}. Try again when the model answers; "
                "force changes the model all the same"
            ) from exc
        return None, [f"not judged: {exc.message}"], []
    except (ConflictError, InvalidInputError, NotFoundError) as exc:
        # the model that is live may be the one that is gone: nothing can be compared then, unless asked is judged
        if plan.eval is not None:
            return None, [f"not judged: eval set {plan.eval!r} could not be asked: {exc.message}"], []
    if plan.eval is None:
        note = plan_unjudged(quality)
        return quality, [], [] if note is None else [note]
    unfit = quality and plan_unfit(
        plan.eval, quality.questions, quality.judged, found=bool(quality.recall_before)
    )
    return quality, [unfit] if unfit else [], []


async def _exchange(
    context: JobContext, embedders: Embedders, owner: Scope, index: str, new: VersionRow, lost: int
) -> VersionRow:
    for _ in range(ROUNDS):
        before = await exchange(owner, index, new, lost=lost)
        if before is not None:
            context.database.changes.bump()
            return before
        await _complete(context, embedders, owner, index, new)
    raise UnavailableError(
        f"rows of index {index!r} change faster than {new.model_name} embeds them; it is tried again",
        retry_after_s=5,
    )


async def _finish(
    database: Database,
    owner: Scope,
    index: str,
    live: VersionRow,
    before: VersionRow,
    gate: Gate | None = None,
) -> Swapped:
    """What was live before the last one goes; what cannot go now goes with the next change."""
    with contextlib.suppress(LakewardError):
        await drop_older(owner, index, before)
    database.changes.bump()
    return Swapped(
        index=index,
        version=live.version,
        model=live.model_name,
        model_version=live.model_version,
        before=before.model_name,
        before_version=before.model_version,
        gate=gate,
    )
