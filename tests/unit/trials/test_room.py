"""What a trial may take: part of the memory, and of the disk when it is this machine's."""

import shutil

from app.settings import Settings
from app.trials.room import DISK_MARGIN, find_room


async def test_the_disk_of_the_embedded_server_is_known(tmp_path) -> None:
    room = await find_room(Settings(home=tmp_path))
    assert room.disk_bytes is not None
    assert abs(room.disk_bytes - max(shutil.disk_usage(tmp_path).free - DISK_MARGIN, 0)) < 1024**3
    assert room.memory_bytes > 16 * 1024**2


async def test_the_disk_of_another_server_is_not(tmp_path) -> None:
    assert (
        await find_room(Settings(home=tmp_path, database_url="postgresql://elsewhere/x"))
    ).disk_bytes is None
