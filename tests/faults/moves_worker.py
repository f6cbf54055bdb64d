"""A nursery of processes that are to be killed.

Each line of its input, `{"dsn", "home", "url", "end": "<step>:<before|during|after>" or "", "appends": [<batch>, …],
"jobs": true}`, is one process that loads files, one after the other, and runs jobs meanwhile. It says its id, then that
files are loaded, on a line each; then how it ended. With an `end` it kills itself there. A new process takes
milliseconds, for everything is imported already.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from app.db.database import open_database
from app.delta import compaction, folders, log
from app.delta.places import Places
from app.delta.tasks import register as register_delta
from app.ingest import bucket_load
from app.ingest import service as ingest_service
from app.ingest.requests import IngestPlan
from app.ingest.service import ingest
from app.jobs.queue import Queue
from app.moves import export, materialize, tasks
from app.moves.flow import Flow
from app.settings import PoolSettings, Settings
from app.storage.service import open_storage

#: What a kill is put before or behind: the module by whose name it is called, and the name.
STEPS = {
    "append": (bucket_load, "begin_folder"),
    "append write": (bucket_load, "write_rows"),
    "append pin": (bucket_load, "pin"),
    "append commit": (ingest_service, "_publish_to_bucket"),
    "compact delete": (log, "delete_keys"),
    "compact rewrite": (compaction, "_rewrite"),
    "compact pin": (compaction, "pin"),
    "compact commit": (compaction, "vacuum"),
    "export begin": (export, "begin_folder"),
    "export write": (export, "_write"),
    "export record": (export, "record_copy"),
    "export commit": (tasks, "export"),
    "materialize write": (materialize, "_load"),
    "materialize record": (materialize, "record_copy"),
    "materialize commit": (tasks, "materialize"),
}
#: Files of a load have so many rows.
BATCH = 50


def die(*_, **__):
    """As kill -9 does it: nothing of this process' own runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(end):
    """Put the end where it is wanted."""
    step, _, when = end.partition(":")
    if when == "during":
        # the first batch of rows is on its way
        batches = Flow.batches

        def one_and_die(self, reader):
            for batch in batches(self, reader):
                yield batch
                die()

        Flow.batches = one_and_die
        return
    module, name = STEPS[step]
    act = getattr(module, name)
    if when == "before":
        setattr(module, name, die)
        return
    if asyncio.iscoroutinefunction(act):

        async def act_and_die(*arguments, **named):
            await act(*arguments, **named)
            die()
    else:

        def act_and_die(*arguments, **named):
            act(*arguments, **named)
            die()

    setattr(module, name, act_and_die)


async def load(database, places, folder, batch):
    """One file of ids that no other has."""
    content = "id,batch,note\n" + "".join(
        f"{batch * BATCH + n},{batch},{'x' * (n % 7)}\n" for n in range(BATCH)
    )
    path = folder / f"{batch}.csv"
    path.write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    await ingest(
        database, IngestPlan(str(path), path.name, "rows", digest, row_key="id", home="bucket"), places
    )
    say(f"loaded {batch}")


async def main(order):
    """Load and run jobs until everything is done."""
    pool = PoolSettings(min_size=1, max_size=6)
    settings = Settings(home=Path(order["home"]), database_url=order["url"], pool=pool)
    database = await open_database(order["dsn"], settings)
    places = Places(open_storage(settings, database))
    queue = Queue(database)
    tasks.register(queue, places)
    register_delta(queue, places)
    worker = asyncio.create_task(queue.run(2, exclusive=True)) if order["jobs"] else None
    folder = settings.home / "csv"
    folder.mkdir(exist_ok=True)
    for batch in order["appends"]:
        await load(database, places, folder, batch)
    if order.get("sweep"):
        say(f"swept {await folders.remove_orphans(database, places, older_s=0)}")
    if worker is not None:
        await until_done(database)
        worker.cancel()
        await asyncio.wait([worker])
    await database.close()


async def until_done(database):
    """No job waits or runs."""
    waiting = b"select count(*) from lakeward.job where state in ('queued', 'running')"
    while await database.owner().fetch_value(waiting):
        await asyncio.sleep(0.05)


def say(text):
    """One line, at once."""
    os.write(1, f"{text}\n".encode())


def nursery():
    """One process a line."""
    say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                say(f"pid {os.getpid()}")
                if order["end"]:
                    arm(order["end"])
                asyncio.run(main(order))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    nursery()
