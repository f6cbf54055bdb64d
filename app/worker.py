"""The worker's composition root: a database and a model in, a queue that runs every capability's jobs out."""

from app.access.users import end_idle_users
from app.db.database import Database, open_database
from app.db.lint import verify
from app.delta.compaction import defer_due
from app.delta.folders import remove_orphans
from app.delta.places import Places
from app.delta.tasks import register as register_delta
from app.ingest.tasks import register as register_ingest
from app.jobs.queue import Queue
from app.journal.sealing import flush
from app.journal.service import renew_partitions
from app.lance.tasks import register as register_lance
from app.models.embedders import Embedders
from app.models.registry import create_embedders
from app.moves.tasks import register as register_moves
from app.settings import Settings
from app.storage.service import Storage, open_storage
from app.storage.tasks import register as register_storage
from app.tombstones.erasure_tasks import register as register_erasure
from app.trials.bench import sweep_copies
from app.trials.tasks import register as register_trials
from app.vectors.refresh import defer_due as defer_refreshes
from app.vectors.service import drop_idle_triggers
from app.vectors.tasks import register as register_vectors
from app.versions.adapters import adapter_source
from app.versions.shadow import sweep_abandoned
from app.versions.tasks import register as register_versions

#: How old an entry may become before it has its seal, if no transaction from before it is still open.
SEAL_S = 60.0
#: A month's partitions are made two months ahead; what writes into them is made anew when the month begins.
PARTITIONS_S = 3600.0
#: How often it is looked for bucket datasets that are to be compacted, and for folders in which there is none.
COMPACTION_S = 3600.0
#: How often it is looked for copies of trials that nobody works on any more.
COPIES_S = 60.0
#: How often it is looked for indexes that are to be refreshed.
REFRESH_S = 30.0
#: How often it is looked for people's sessions that sit in an open transaction, for triggers of deleted indexes, and
#: for versions that nobody finishes.
IDLE_S = 60.0


def build_queue(database: Database, embedders: Embedders, settings: Settings, storage: Storage) -> Queue:
    """The queue with every capability's handlers."""
    queue, places, embedders = Queue(database), Places(storage), embedders.for_jobs()
    register_vectors(queue, embedders)
    register_ingest(queue, places)
    register_erasure(queue, settings)
    register_storage(queue, storage)
    register_delta(queue, places)
    register_moves(queue, places)
    register_trials(queue, embedders)
    register_versions(queue, embedders)
    register_lance(queue, database, settings.home)
    queue.repeat("seal", SEAL_S, lambda: flush(database, settings.home))
    queue.repeat("partitions", PARTITIONS_S, lambda: renew_partitions(database))
    queue.repeat("compaction", COMPACTION_S, lambda: defer_due(database))
    queue.repeat("orphans", COMPACTION_S, lambda: remove_orphans(database, places))
    queue.repeat("trial copies", COPIES_S, lambda: sweep_copies(database))
    queue.repeat("refresh", REFRESH_S, lambda: defer_refreshes(database))
    queue.repeat("idle triggers", IDLE_S, lambda: drop_idle_triggers(database.owner(timeout_ms=30_000)))
    queue.repeat("abandoned versions", IDLE_S, lambda: sweep_abandoned(database))
    queue.repeat("idle logins", IDLE_S, lambda: end_idle_users(database))
    return queue


async def run_worker(settings: Settings, dsn: str) -> None:
    """Run jobs until cancelled.

    Raises:
        UnavailableError: the database is away or not migrated.
        PolicyViolatedError: the governance checks do not hold.
    """
    database = await open_database(dsn, settings)
    embedders = create_embedders(settings.models)
    embedders.sources.append(adapter_source(database))
    storage = open_storage(settings, database)
    try:
        await verify(database.owner(timeout_ms=60_000))
        await storage.start()
        await sweep_copies(database)
        await build_queue(database, embedders, settings, storage).run()
    finally:
        await storage.close()
        await embedders.close()
        await database.close()
