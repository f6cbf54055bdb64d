"""What a trial may take of the machine."""

import asyncio
import shutil

from app.db.embedded_config import read_machine
from app.settings import Settings
from app.trials.plan import Room

#: Of the memory, while a graph is built beside everything else that runs.
MEMORY_SHARE = 4
#: Left on the disk for everybody else.
DISK_MARGIN = 1024**3


async def find_room(settings: Settings) -> Room:
    """A quarter of the machine's or container's memory, and of the disk of the home all but a gigabyte.

    Of a server elsewhere the disk is not known; its memory is taken to be like this machine's.
    """
    machine = read_machine()
    disk = None
    if settings.database_url is None:
        free = (await asyncio.to_thread(shutil.disk_usage, settings.home)).free
        disk = max(free - DISK_MARGIN, 0)
    return Room(memory_bytes=machine.memory_bytes // MEMORY_SHARE, disk_bytes=disk)
