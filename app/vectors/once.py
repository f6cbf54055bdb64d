"""Work that several ask for at the same time is done once, and all of them get its result."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """By key. Who gives up waiting does not end it for the others."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Value]] = {}

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What the work that runs for this key answers, or raises; begins it when none does."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work(), name=f"once:{key}")
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End what runs."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
