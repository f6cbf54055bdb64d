"""The verbs of versions for those who ask for them; what changes a model is a job."""

import msgspec

from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import ConflictError, InvalidInputError
from app.jobs.service import defer_job
from app.models.embedders import Embedders
from app.trials.evals import require_eval
from app.vectors.indexing import get_index_row
from app.versions.adapters import get_adapter
from app.versions.gate import read_asked
from app.versions.models import (
    Model,
    RollbackPlan,
    SwapAccepted,
    SwapPlan,
    SwapRequest,
    VersionRow,
)
from app.versions.plan import plan_model, plan_unfit
from app.versions.shadow import count_pending, get_family

QUERIES = load_queries(__file__)


async def defer_swap(scope: Scope, embedders: Embedders, name: str, request: SwapRequest) -> SwapAccepted:
    """Have the index moved to another model; `scope` is a steward's.

    Raises:
        NotFoundError: no such index, eval set or configured model.
        InvalidInputError: no model is named, the adapter is over another one, or the eval set asks another index or
            judges nothing, or too little.
        ConflictError: the index has that model, or its model is being changed.
    """
    family = await get_family(scope, name)
    model = await _find_model(scope, embedders, request)
    if family.live.model == model:
        raise ConflictError(f"index {name!r} has the model {model.name} ({model.version}) already")
    if request.eval is not None:
        await require_eval(scope, request.eval, await get_index_row(scope, name))
        if not request.force:
            await _require_judged(scope, family.live, request.eval)
    plan = SwapPlan(
        index=name,
        model=model,
        eval=request.eval,
        min_recall=request.min_recall,
        max_loss=request.max_loss,
        keep=request.keep,
        force=request.force,
        principal=scope.actor.principal,
    )
    return await _defer(scope, "swap", name, plan, model)


async def _require_judged(scope: Scope, live: VersionRow, name: str) -> None:
    # said now and not when everything is embedded
    asked = await read_asked(scope, live, name)
    unfit = plan_unfit(name, len(asked), sum(bool(question.relevant) for question in asked))
    if unfit is not None:
        raise InvalidInputError(f"{unfit}; force changes the model all the same")


async def _find_model(scope: Scope, embedders: Embedders, request: SwapRequest) -> Model:
    if request.adapter is None:
        return plan_model(request, await embedders.list_infos())
    adapter = await get_adapter(scope, request.adapter)
    if request.model not in (None, adapter.model_name, adapter.model.name):
        raise InvalidInputError(
            f"adapter {adapter.name!r} is over {adapter.model_name!r}, not over {request.model!r}"
        )
    # over a model that is not configured it says nothing
    await embedders.find(adapter.provider, adapter.model_name, adapter.model_version)
    return adapter.model


async def defer_rollback(scope: Scope, embedders: Embedders, name: str) -> SwapAccepted:
    """Have the version made live again that was live before; `scope` is a steward's.

    Raises:
        NotFoundError: no such index.
        ConflictError: no version was live before; its model is needed and not configured; or it is being changed.
    """
    family = await get_family(scope, name)
    if not family.retired:
        raise ConflictError(
            f"index {name!r} has no version that was live before; POST /vectors/indexes/{name}/swap changes its model"
        )
    before = family.retired[-1]
    waiting = await count_pending(scope, before)
    if waiting:
        await _require_model(embedders, before.model, name, waiting)
    plan = RollbackPlan(index=name, version=before.version, principal=scope.actor.principal)
    return await _defer(scope, "rollback", name, plan, before.model)


async def _require_model(embedders: Embedders, model: Model, name: str, waiting: int) -> None:
    try:
        await embedders.find(model.provider, model.name, model.version)
    except ConflictError as exc:
        raise ConflictError(
            f"{waiting} rows of index {name!r} changed since it had {model.name}, and have to be embedded first: "
            f"{exc.message}"
        ) from exc


async def _defer(scope: Scope, kind: str, name: str, plan: msgspec.Struct, model: Model) -> SwapAccepted:
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["lock_family"], {"name": name})
        busy = await transaction.fetch_value(QUERIES["busy"], {"name": name})
        if busy is not None:
            raise ConflictError(f"a {busy} of index {name!r} is under way; wait for its job, or cancel it")
        job_id = await defer_job(
            transaction,
            kind=kind,
            subject=name,
            args=msgspec.to_builtins(plan),
            unit="rows",
            lock=f"versions:{name}",
            created_by=scope.actor.principal,
        )
    return SwapAccepted(job_id=job_id, index=name, model=model.name, model_version=model.version)
