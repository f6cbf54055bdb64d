"""What several ask for at the same time is done once."""

import asyncio

import pytest

from app.vectors.once import Once


async def test_those_who_ask_together_get_one_result() -> None:
    begun, go = 0, asyncio.Event()

    async def work() -> int:
        nonlocal begun
        begun += 1
        number = begun
        await go.wait()
        return number

    once: Once[int] = Once()
    asked = [asyncio.create_task(once.run("a", work)) for _ in range(5)]
    other = asyncio.create_task(once.run("b", work))
    await asyncio.sleep(0)
    # who goes away takes nobody's result along
    asked[0].cancel()
    go.set()
    assert await asyncio.gather(*asked[1:]) == [1] * 4 and await other == 2
    assert await once.run("a", work) == 3


async def test_what_it_raises_all_get_and_it_is_begun_again() -> None:
    async def fail() -> int:
        raise ValueError("no")

    once: Once[int] = Once()
    for _ in range(2):
        answers = await asyncio.gather(*[once.run("a", fail) for _ in range(3)], return_exceptions=True)
        assert [str(answer) for answer in answers] == ["no"] * 3


async def test_at_the_end_what_runs_is_ended() -> None:
    once: Once[None] = Once()
    asked = asyncio.create_task(once.run("a", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    await once.close()
    with pytest.raises(asyncio.CancelledError):
        await asked
