"""Folders of bucket datasets: begun before a file is in them, and removed when no dataset came of them."""

import logging

import msgspec

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.delta.models import BucketDataset
from app.delta.places import Places
from app.errors import LakewardError

QUERIES = load_queries(__file__)
log = logging.getLogger(__name__)
#: A folder in which there is no dataset is left alone for so long.
ORPHAN_S = 3600.0


class _Folder(msgspec.Struct, frozen=True):
    bucket: str
    location: str


async def begin_folder(owner: Scope, dataset: BucketDataset) -> None:
    """Write down that there will be files in the folder of a new dataset, and commit that."""
    async with owner.begin() as transaction:
        await transaction.execute(QUERIES["begin_folder"], _folder(dataset))


async def hold_folder(transaction: Transaction, dataset: BucketDataset) -> None:
    """Nobody removes the folder until the transaction ends, in which it becomes a dataset's."""
    await transaction.execute(QUERIES["hold_folder"], _folder(dataset))


async def remove_orphans(
    database: Database, places: Places, *, older_s: float = ORPHAN_S, location: str | None = None
) -> int:
    """Remove the folders, or the one at `location`, in which no dataset is and nobody writes; how many.

    One in a bucket that does not answer stays for the next time.
    """
    owner, removed = database.owner(), 0
    last = _Folder("", "")
    while True:
        async with owner.begin() as transaction:
            parameters = {"older_s": older_s, "only": location, **msgspec.structs.asdict(last)}
            found = await transaction.find_one(_Folder, QUERIES["next_orphan"], parameters)
            if found is None:
                return removed
            last = found
            if await transaction.fetch_value(QUERIES["is_used"], {"location": found.location}):
                continue
            try:
                await places.remove(found.bucket, found.location)
            except LakewardError as exc:
                log.warning("the folder %s stays in bucket %s: %s", found.location, found.bucket, exc.message)
                continue
            await transaction.execute(QUERIES["forget_folder"], msgspec.structs.asdict(found))
            removed += 1


def _folder(dataset: BucketDataset) -> dict[str, str]:
    return {"bucket": dataset.bucket, "location": dataset.location}
