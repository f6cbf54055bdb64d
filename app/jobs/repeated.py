"""What a worker does again and again beside its jobs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from app.errors import LakewardError

log = logging.getLogger(__name__)


class Repeated(msgspec.Struct, frozen=True):
    """What is done every so many seconds."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]


async def repeat(item: Repeated) -> None:
    """Do it until cancelled, first after `every_s`; what fails is logged."""
    while True:
        await asyncio.sleep(item.every_s)
        try:
            await item.act()
        except LakewardError as exc:
            log.warning("%s: %s", item.name, exc.message)
        except Exception:
            log.exception("%s failed", item.name)
