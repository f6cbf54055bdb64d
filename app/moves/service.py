"""The verbs of moves: what is refused before there is a job."""

from app.catalog.models import DatasetRow
from app.catalog.service import find_dataset, not_found
from app.db.scope import Scope
from app.delta.places import Places
from app.moves.models import ExportRequest, MaterializeRequest, MoveAccepted, MovePlan
from app.moves.plan import check_source, plan_copy_name
from app.moves.record import check_free
from app.moves.tasks import defer_move


async def defer_export(
    scope: Scope, places: Places, name: str, request: ExportRequest, principal: str
) -> MoveAccepted:
    """Have a dataset copied into a bucket; `scope` is a steward's.

    Raises:
        NotFoundError: no such dataset.
        ConflictError: the target's name is taken, or there is nothing to copy.
        UnavailableError: no such bucket, or it does not answer.
    """
    target = plan_copy_name(name, request.target, "bucket")
    bucket = request.bucket or places.default
    plan = MovePlan(dataset=name, target=target, bucket=bucket, principal=principal)
    await _check(scope, plan)
    await places.require(bucket)
    return MoveAccepted(dataset=name, target=target, job_id=await defer_move(scope, plan))


async def defer_materialize(
    scope: Scope, name: str, request: MaterializeRequest, principal: str
) -> MoveAccepted:
    """Have a dataset whose rows are in files copied into Postgres; `scope` is a steward's.

    Raises:
        NotFoundError: no such dataset.
        ConflictError: its rows are in Postgres, the target's name is taken, or there is nothing to copy.
    """
    plan = MovePlan(dataset=name, target=plan_copy_name(name, request.target, "table"), principal=principal)
    await _check(scope, plan)
    return MoveAccepted(dataset=name, target=plan.target, job_id=await defer_move(scope, plan))


async def _check(scope: Scope, plan: MovePlan) -> DatasetRow:
    async with scope.begin() as transaction:
        dataset = await find_dataset(transaction, plan.dataset)
        if dataset is None:
            raise not_found(plan.dataset)
        check_source(plan.dataset, dataset.home, plan.home, has_columns=dataset.has_table)
        await check_free(transaction, plan.target)
    return dataset
