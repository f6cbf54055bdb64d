"""Whoever serves an embedded home keeps its Postgres up: one that is gone, as after kill -9, is started again."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.db.embedded import EmbeddedServer, ensure_running
from app.db.postmaster import find_postmaster
from app.errors import LakewardError

log = logging.getLogger(__name__)

#: How often it is looked whether the server is there.
EVERY_S = 1.0
#: How long one start is waited for: crash recovery goes on meanwhile, and who stops waits for it.
START_S = 10.0
#: The wait after a start that failed is twice the one before, up to this.
MAX_WAIT_S = 60.0


@contextmanager
def keep_running(server: EmbeddedServer | None) -> Iterator[None]:
    """While it lasts the server is started again whenever it is gone; None: there is nothing to watch.

    Leave it before the server is stopped.
    """
    if server is None:
        yield
        return
    stopping = threading.Event()
    watch = threading.Thread(target=_watch, args=(server, stopping), name="postgres watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        stopping.set()
        watch.join()


def _watch(server: EmbeddedServer, stopping: threading.Event) -> None:
    down, wait_s = False, EVERY_S
    while not stopping.wait(wait_s):
        if not down and find_postmaster(server.home / "pg") is not None:
            continue
        if not down:
            log.warning(
                "Postgres of %s is gone, and nobody stopped it from here: it is started again", server.home
            )
        down = True
        try:
            ensure_running(server.home, version=server.version, timeout_s=START_S)
        except LakewardError as exc:
            wait_s = min(2 * wait_s, MAX_WAIT_S)
            log.error("Postgres is not up; it is tried again in %g s. %s", wait_s, exc.message)
        else:
            down, wait_s = False, EVERY_S
            log.warning("Postgres of %s is up again", server.home)
