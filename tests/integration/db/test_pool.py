"""The pool: the session that is warm is given again; what was left in the middle of something is not."""

import asyncio
import random

import pytest

from app.db.pool import borrowed

PID = "select pg_backend_pid()"


async def _pid(pool):
    async with borrowed(pool) as connection:
        return (await (await connection.execute(PID)).fetchone())[0]


async def test_the_connection_that_came_back_last_is_the_next_one(database):
    pool = database.service().pool
    async with borrowed(pool) as first, borrowed(pool) as second:
        assert first is not second
    # `second` came back first
    for _ in range(3):
        async with borrowed(pool) as again:
            assert again is first


async def test_many_at_once_get_one_each(database):
    pool = database.service().pool
    pids = await asyncio.gather(*[_slow_pid(pool) for _ in range(4)])
    assert len(set(pids)) == 4


async def _slow_pid(pool):
    async with borrowed(pool) as connection:
        return (await (await connection.execute(f"{PID}, pg_sleep(0.2)")).fetchone())[0]


async def test_a_transaction_that_was_left_open_is_not_the_next_ones(database):
    pool = database.service().pool
    with pytest.raises(RuntimeError):
        async with borrowed(pool) as connection:
            await connection.execute("begin")
            await connection.execute("set local role none")
            raise RuntimeError
    async with borrowed(pool) as again:
        row = await (
            await again.execute("select pg_current_xact_id_if_assigned(), now() = statement_timestamp()")
        ).fetchone()
        assert row == (None, True)


async def test_who_goes_away_in_the_middle_leaves_no_query_behind(database):
    pool = database.service().pool
    asked = asyncio.create_task(_sleep(pool))
    await asyncio.sleep(0.3)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    async with asyncio.timeout(5):
        assert await _pid(pool)
        running = "select count(*) from pg_stat_activity where query like 'select pg_sleep(77)%' and state = 'active'"
        assert await database.owner().fetch_value(running) == 0


async def _sleep(pool):
    async with borrowed(pool) as connection:
        await connection.execute("select pg_sleep(77)")


async def _work_for_ever(pool):
    while True:
        async with borrowed(pool) as connection:
            await connection.execute("select pg_sleep(0.002)")
        await asyncio.sleep(0.001)


async def test_a_cancellation_that_comes_with_a_connection_is_not_forgotten(database):
    """Sixteen wait for each other's connections, and are cancelled: all end, and no connection is lost."""
    pool, draws = database.service().pool, random.Random(1)
    for _ in range(20):
        tasks = [asyncio.create_task(_work_for_ever(pool)) for _ in range(16)]
        await asyncio.sleep(draws.uniform(0.01, 0.03))
        for task in tasks:
            task.cancel()
        ended, left = await asyncio.wait(tasks, timeout=10)
        for task in left:
            task.cancel()
        assert not left and all(task.cancelled() for task in ended)
    held = [await pool.getconn(timeout=5) for _ in range(pool.max_size)]
    for connection in held:
        await pool.putconn(connection)
    assert len(set(map(id, held))) == pool.max_size
