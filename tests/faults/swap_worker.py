"""A nursery of workers that are to be killed while an index changes its model.

Each line of its input, `{"dsn", "home", "url", "end": "<step>:<before|after>" or ""}`, is one worker that runs what is
in the queue. It says its id, then how it ended. With an `end` it kills itself there. A new worker takes milliseconds,
for everything is imported already.
"""

import asyncio
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from app.db.database import open_database
from app.jobs.queue import Queue
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.settings import PoolSettings, Settings
from app.vectors.tasks import register as register_vectors
from app.versions import swap
from app.versions.tasks import register

#: What a kill is put before or behind, in the order in which a swap comes by.
STEPS = (
    "ensure_shadow",
    "index_pending",
    "build_graphs",
    "measure_quality",
    "keep_gate",
    "exchange",
    "drop_older",
)


def models():
    """The model that the index has, and the one that it shall have: of other dimensions."""
    return FakeEmbedder(), FakeEmbedder(dimensions=256, name="other")


def die(*_, **__):
    """As kill -9 does it: nothing of this process' own runs any more."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(end, embedders):
    """Put the end where it is wanted; `embed:<n>` is the n-th call of a model."""
    step, _, when = end.partition(":")
    if step == "embed":
        for embedder in embedders:
            put_end_to(embedder, int(when))
        return
    act = getattr(swap, step)

    async def act_and_die(*arguments, **named):
        await act(*arguments, **named)
        die()

    setattr(swap, step, die if when == "before" else act_and_die)


def put_end_to(embedder, calls):
    """It answers so many calls, less one."""
    embed = embedder.embed

    async def embed_or_die(texts):
        return die() if embedder.calls + 1 >= calls else await embed(texts)

    embedder.embed = embed_or_die


async def main(order):
    """Run jobs until there are none."""
    settings = Settings(
        home=Path(order["home"]), database_url=order["url"], pool=PoolSettings(min_size=1, max_size=6)
    )
    default, other = models()
    if order["end"]:
        arm(order["end"], (default, other))
    embedders = Embedders(default, [other])
    database = await open_database(order["dsn"], settings)
    queue = Queue(database)
    register(queue, embedders)
    register_vectors(queue, embedders)
    worker = asyncio.create_task(queue.run(2, exclusive=True))
    waiting = b"select count(*) from lakeward.job where state in ('queued', 'running')"
    while await database.owner().fetch_value(waiting):
        await asyncio.sleep(0.02)
    worker.cancel()
    await asyncio.wait([worker])
    await database.close()


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
                asyncio.run(main(order))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    nursery()
