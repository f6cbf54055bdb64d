"""The versions of an index: found, made, dropped, and exchanged in one transaction."""

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, NotFoundError
from app.vectors.service import drop_idle_triggers
from app.versions import statements
from app.versions.models import Model, VersionRow

QUERIES = load_queries(__file__)


class Family(msgspec.Struct, frozen=True):
    """The versions of one index: the live one, one that is being made, and those that were live, the last one last."""

    live: VersionRow
    shadows: list[VersionRow]
    retired: list[VersionRow]


async def get_family(scope: Scope, name: str) -> Family:
    """All versions; `scope` is the owner's or a steward's.

    Raises:
        NotFoundError: no such index.
    """
    async with scope.begin() as transaction:
        return await _read(transaction, name)


async def _read(transaction: Transaction, name: str) -> Family:
    rows = await transaction.fetch_all(VersionRow, QUERIES["versions"], {"name": name})
    live = [row for row in rows if row.state == "live"]
    if not live:
        raise NotFoundError(f"no index {name[:60]!r}")
    return Family(
        live=live[0],
        shadows=[row for row in rows if row.state == "shadow"],
        retired=[row for row in rows if row.state == "retired"],
    )


async def ensure_shadow(owner: Scope, name: str, model: Model) -> VersionRow:
    """The version under this model that is not live yet: what an earlier attempt left, or a new one.

    One under another model goes: there is one at a time.

    Raises:
        NotFoundError: the index is gone.
    """
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["lock_family"], {"name": name})
        family = await _read(transaction, name)
        for shadow in family.shadows:
            if shadow.model == model:
                return shadow
            await transaction.execute(QUERIES["drop_version"], {"id": shadow.id})
        await transaction.execute(
            QUERIES["create_shadow"],
            {
                "name": name,
                "provider": model.provider,
                "model_name": model.name,
                "model_version": model.version,
                "dimensions": model.dimensions,
            },
        )
        return (await _read(transaction, name)).shadows[0]


async def drop_version(owner: Scope, version: VersionRow) -> None:
    """It goes with its tables, unless it is live."""
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["drop_version"], {"id": version.id})
    await drop_idle_triggers(owner)


async def drop_abandoned(owner: Scope, name: str, job_id: str | None = None) -> None:
    """The version that a cancelled swap has left goes with its tables; `job_id` is a swap that is being cancelled."""
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["lock_family"], {"name": name})
        dropped = await transaction.execute(QUERIES["drop_abandoned"], {"name": name, "job_id": job_id})
    if dropped:
        await drop_idle_triggers(owner)


async def sweep_abandoned(database: Database) -> list[str]:
    """Drop what swaps have left that were cancelled while no worker had them; of which indexes."""
    owner = database.owner(timeout_ms=30_000)
    async with owner.begin() as transaction:
        names: list[str] = await transaction.fetch_values(QUERIES["abandoned"])
    for name in names:
        await drop_abandoned(owner, name)
    return names


async def drop_older(owner: Scope, name: str, keep: VersionRow) -> None:
    """Of the versions that were live, `keep` alone stays."""
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["drop_retired"], {"name": name, "keep": keep.id})
    await drop_idle_triggers(owner)


async def count_pending(owner: Scope, version: VersionRow) -> int:
    """Rows that wait to be embedded in it."""
    pending: int = await owner.fetch_value(statements.count_pending(version.table_name))
    return pending


async def count_lost(owner: Scope, new: VersionRow, live: VersionRow) -> int:
    """Rows that can be found in the live version and not in the new one."""
    lost: int = await owner.fetch_value(statements.count_behind(new.table_name, live.table_name))
    return lost


async def exchange(owner: Scope, name: str, new: VersionRow, *, lost: int = 0) -> VersionRow | None:
    """Make `new` the version that has the name, in one transaction; the version that had it until then.

    A search that found its way before goes on in the tables of that version, with its model; the next one finds the
    new version. Eval sets ask the new one from then on. None, and nothing is changed, when more than `lost` rows that
    can be found now wait in the new version, or when it has not every graph that the live one has.

    Raises:
        NotFoundError: the index, or the version, is gone.
        ConflictError: the version is live.
    """
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["lock_family"], {"name": name})
        family = await _read(transaction, name)
        live = family.live
        if live.id == new.id:
            raise ConflictError(f"version {new.version} of index {name!r} is live already")
        behind = await transaction.fetch_value(statements.count_behind(new.table_name, live.table_name))
        missing = await transaction.fetch_value(QUERIES["missing_graphs"], {"index": name, "id": new.id})
        if behind > lost or missing:
            return None
        # one that was made while the name moved on is with a version that was live, and would go with it
        for old in (live, *family.retired):
            if old.id != new.id:
                await _move_evals(transaction, old, new)
        await transaction.execute(QUERIES["retire"], {"id": live.id})
        if await transaction.execute(QUERIES["revive"], {"id": new.id, "name": name, "old": live.id}) == 0:
            raise NotFoundError(f"version {new.version} of index {name!r} was deleted meanwhile")
    return live


async def _move_evals(transaction: Transaction, old: VersionRow, new: VersionRow) -> None:
    ids = {"old": old.id, "new": new.id}
    evals = {"evals": await transaction.fetch_values(QUERIES["move_evals"], ids)}
    if evals["evals"]:
        await transaction.execute(statements.drop_questions(old.table_name, new.table_name), evals)
        await transaction.execute(statements.move_questions(new.table_name, old.table_name), evals)
        await transaction.execute(QUERIES["forget_truths"], evals)
