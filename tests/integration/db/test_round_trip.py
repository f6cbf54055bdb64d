"""Settings and a read in one round trip: the rows are right, failures are whole, and the connection stays usable."""

import asyncio
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from app.db.database import Database
from app.db.round_trip import Call, _convert, as_bytes, fetch_last
from app.errors import ForbiddenError, InvalidInputError


class Pair(msgspec.Struct, frozen=True):
    a: Any
    b: Any


def test_placeholders_become_numbers() -> None:
    assert _convert(b"select %(x)s, %(y)s, %(x)s") == (b"select $1, $2, $1", ("x", "y"))
    assert _convert(b"select %s, %b, 5 %% 2") == (b"select $1, $2, 5 % 2", (None, None))
    assert _convert(b"like 'a%%' and \"%%(x)s\" = %(x)s") == (b"like 'a%' and \"%(x)s\" = $1", ("x",))


def test_a_statement_s_text_however_it_was_written() -> None:
    composed = sql.SQL("select {}").format(sql.Identifier('a"b'))
    assert as_bytes(composed) == as_bytes('select "a""b"') == b'select "a""b"'


async def test_rows_of_every_type_come_back_binary(database: Database) -> None:
    query = b"select %(n)s::bigint as a, %(t)s::text as b union all select null, array['x', null]::text order by 1"
    rows = await database.owner().fetch(Pair, query, {"n": 2**40, "t": "ü"})
    assert rows == [Pair(2**40, "ü"), Pair(None, "{x,NULL}")]
    swapped = await database.owner().fetch(Pair, b"select 2 as b, 1 as a")
    assert swapped == [Pair(a=1, b=2)]


async def test_settings_that_fail_keep_the_read_from_running(database: Database) -> None:
    async with database.pool.connection() as connection:
        calls = [
            Call(b"select set_config('role', %s, true)", ["no_such_role"]),
            Call(b"select current_user as a, 1 as b", ()),
        ]
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            await fetch_last(connection, calls, Pair)
        rows = await fetch_last(connection, [Call(b"select current_user::text as a, 1 as b", ())], Pair)
        assert rows[0].a == database.deployment.service_role


async def test_a_read_that_fails_undoes_what_came_before_it(database: Database) -> None:
    owner = database.deployment.owner_role
    async with database.pool.connection() as connection:
        calls = [
            Call(b"select set_config('role', %s, true)", [owner]),
            Call(
                b"insert into lakeward.relation (name, kind) values ('undone', 'dataset') returning 1 as a",
                (),
            ),
            Call(b"select 1 / %s::int as a, 1 as b", [0]),
        ]
        with pytest.raises(psycopg.errors.DivisionByZero):
            await fetch_last(connection, calls, Pair)
    assert await database.owner().fetch_value("select count(*) from lakeward.relation") == 0


async def test_statements_forgotten_by_the_server_are_prepared_again(database: Database) -> None:
    call = Call(b"select %s::text as a, 1 as b", ["x"])
    async with database.pool.connection() as connection:
        for _ in range(2):
            assert await fetch_last(connection, [call], Pair) == [Pair("x", 1)]
            await connection.execute("deallocate all")
        with pytest.raises(psycopg.errors.UndefinedTable):
            await fetch_last(connection, [Call(b"select * from no_such_table", ())], Pair)
        assert await fetch_last(connection, [call], Pair) == [Pair("x", 1)]


async def test_a_changed_table_does_not_break_a_prepared_read(database: Database, admin: Any) -> None:
    async with database.owner().begin() as transaction:
        await transaction.execute("create table lake.t (a int, b int)")
    for kind in ("int", "text"):
        assert await database.owner().fetch(Pair, "select a, b from lake.t") == []
        async with database.owner().begin() as transaction:
            await transaction.execute(f"alter table lake.t alter column a type {kind} using a::{kind}")
    async with database.owner().begin() as transaction:
        await transaction.execute("insert into lake.t values ('z', 1)")
    assert await database.owner().fetch(Pair, "select a, b from lake.t") == [Pair("z", 1)]


async def test_a_cancelled_read_leaves_no_other_s_answer_behind(database: Database) -> None:
    scope = database.owner()
    slow = asyncio.create_task(scope.fetch(Pair, "select 'slow' as a, pg_sleep(30)::text as b"))
    await asyncio.sleep(0.2)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    answers = await asyncio.gather(
        *(scope.fetch(Pair, "select %s::int as a, 1 as b", [n]) for n in range(12))
    )
    assert [rows[0].a for rows in answers] == list(range(12))


async def test_more_statements_than_are_kept_put_out_the_oldest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(n: int) -> Call:
        return Call(f"select {n:04} as a, 1 as b".encode(), ())

    size = len(call(1).statement)
    monkeypatch.setattr("app.db.round_trip.MAX_PREPARED_BYTES", 5 * size)
    there = "select count(*) from pg_prepared_statements where name like 'lw%'"
    async with database.pool.connection() as connection:
        for n in range(20):
            assert await fetch_last(connection, [call(n)], Pair) == [Pair(n, 1)]
            # asked again and again, so it stays
            assert await fetch_last(connection, [call(0)], Pair) == [Pair(0, 1)]
        kept = (await (await connection.execute(there, prepare=False)).fetchone())[0]
        assert kept <= 6
        statements = await connection.execute(
            "select statement from pg_prepared_statements where name like 'lw%'", prepare=False
        )
        assert call(0).statement.decode() in [row[0] for row in await statements.fetchall()]
        assert await fetch_last(connection, [call(1)], Pair) == [Pair(1, 1)]


async def test_psycopg_s_own_statements_are_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.round_trip.MAX_PREPARED_BYTES", 100)
    async with database.pool.connection() as connection:
        for n in range(10):
            await connection.execute("select 'its own'", prepare=True)
            assert await fetch_last(connection, [Call(f"select {n} as a, 1 as b".encode(), ())], Pair)
            if n == 5:
                with pytest.raises(psycopg.errors.DivisionByZero):
                    async with connection.transaction():
                        await connection.execute("select 1 / 0")


async def test_parameters_that_cannot_be_sent_leave_nothing_behind(database: Database) -> None:
    async with database.pool.connection() as connection:
        calls = [Call(b"select 'x' as y", ()), Call(b"select %s::text as a, 1 as b", ["nul\0nul"])]
        for _ in range(2):
            with pytest.raises(psycopg.DataError):
                await fetch_last(connection, calls, Pair)
        assert await fetch_last(connection, [*calls[:1], Call(calls[1].statement, ["z"])], Pair) == [
            Pair("z", 1)
        ]


async def test_a_setting_is_never_cut_at_a_nul(database: Database) -> None:
    steward = database.deployment.steward_role
    with pytest.raises(InvalidInputError):
        await database.reader(f"{steward}\0x").fetch_value("select current_user::text")
    with pytest.raises(InvalidInputError):
        await database.reader("\ud800").fetch_value("select current_user::text")
    assert await database.service().fetch_value("select 1") == 1


async def test_a_role_that_was_deleted_meanwhile_is_forbidden_and_not_named(database):
    with pytest.raises(ForbiddenError) as caught:
        await database.reader("lw_p_gone").fetch_value("select 1")
    assert "lw_p_gone" not in caught.value.message
