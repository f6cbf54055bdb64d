"""Erasing one person of 2,000 leaves none of its bytes; without any one step the last scan finds some."""

import asyncio
import os
import time
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.db.scope import Actor
from app.errors import ConflictError, InvalidInputError, UnavailableError
from app.tombstones import erasure_steps
from app.tombstones.receipt import hash_receipt
from app.tombstones.working_file import remove_working, working_folder
from app.vectors.activation import activate
from tests.integration.tombstones.conftest import People, to_csv

#: Its notes are longer than a page, and the view shows it.
WHO = 300


def start_segment(connection: "psycopg.Connection[Any]") -> None:
    """What is written next is in a new WAL segment, with the whole page it is on.

    A checkpoint removes or reuses the segments before its own: without this, the bytes of the load are in pg_wal or
    not, by how full its segment was.
    """
    connection.execute("select pg_switch_wal()")
    connection.execute("checkpoint")


def reject(connection: "psycopg.Connection[Any]", line: str) -> None:
    """A line of a file that could not be loaded, as it is kept."""
    connection.execute(
        "insert into lakeward.rejected_row (file_id, line, reason, raw) "
        "select id, 9, 'too few fields', %s from lakeward.dataset_file",
        [line],
    )


async def test_an_erasure_leaves_no_byte_and_a_receipt(people: People) -> None:
    values = people.own_bytes(WHO)
    notes = people.rows[WHO - 1]["notes"][-40:]
    with psycopg.connect(people.settings.database_url or "", autocommit=True) as connection:
        start_segment(connection)
        # what a value was before is in the journal, and is the person's as well
        connection.execute("update lake.people set surname = 'Formerly-of-Ohlsdorf' where number = %s", [WHO])
        connection.execute("update lake.people set surname = 'Springfield' where number in (%s, 7)", [WHO])
    [warmed] = (await activate(people.database, people.database.steward(), "raw")).warmed
    wanted = [*values, notes, "Formerly-of-Ohlsdorf"]
    assert people.find_bytes(*wanted) == set(wanted)
    erasure = await people.erase(str(WHO))
    assert people.find_bytes(*wanted) == set()
    assert (erasure.step, erasure.has_receipt, erasure.keys) == ("write_receipt", True, 1)
    again = (await activate(people.database, people.database.steward(), "raw")).warmed[0]
    assert not again.built and 0 < warmed.vectors - again.vectors < 20, (
        "the graph was made anew, without them"
    )
    answer = await people.receipt(erasure.id)
    assert hash_receipt(answer.receipt) == answer.sha256
    receipt = answer.receipt
    before, after = receipt["scan_before"], receipt["scan_after"]
    assert after["places"] == [] and after["data_directory"] == "scanned" and after["unreadable"] == []
    assert set(before["found"]) >= {"text", "chunk", "fp16"} and before["patterns"] == after["patterns"]
    assert {"lake.people", "pg_wal", "vec.people_v1", "vec.people_v1_text"} <= {
        place["place"] for place in before["places"]
    }
    assert (receipt["removed"]["rows"], receipt["removed"]["chunks"]["some_v1"]) == (1, 1)
    assert receipt["doors"] == {
        **dict.fromkeys(
            ("rows", "chunks", "readers", "tombstone_images", "journal_payloads", "audit_hits"), 0
        ),
        "readers_asked": 2,
    }
    assert receipt["wal"]["done"] and all(item["before"] != item["after"] for item in receipt["rewritten"])
    assert receipt["removed"]["journal_payloads"] >= 3 and receipt["verified_by_scan"]
    assert list(working_folder(people.settings.home).iterdir()) == []
    with people.database_admin() as connection:
        [entry] = connection.execute("select new from lakeward.journal where kind = 'erasure'").fetchone()
        assert entry == {"erasure": erasure.id, "keys": 1, "receipt_sha256": answer.sha256}
        assert connection.execute(
            "select count(*) from lakeward.erasure where row_key_values is not null"
        ).fetchone() == (0,)


async def test_the_person_does_not_come_back_with_the_file(people: People) -> None:
    await people.erase(str(WHO))
    same = to_csv(people.rows)
    assert (await people.load(same)).duplicate
    for disposition in ("merge", "replace"):
        loaded = await people.load(same + f"9000{len(disposition)},,,,,,,,\n", disposition)
        assert loaded.tombstoned == 1
    with people.database_admin() as connection:
        counts = connection.execute(
            "select count(*), count(*) filter (where number = %s) from lake.people", [WHO]
        ).fetchone()
    assert counts == (len(people.rows), 0), "all but the person, and one more"


async def test_a_dry_run_tells_what_it_would_touch_and_touches_nothing(people: People) -> None:
    with people.database_admin() as connection:
        files = connection.execute("select pg_relation_filenode('lake.people')").fetchone()
        erasure = await people.erase(str(WHO), "301", "no-such".replace("no-such", "99999"), dry_run=True)
        assert connection.execute("select pg_relation_filenode('lake.people')").fetchone() == files
        assert connection.execute("select count(*) from lakeward.tombstone").fetchone() == (0,)
        assert connection.execute("select count(*) from lake.people").fetchone() == (len(people.rows),)
    found = erasure.found
    assert (found["collected"]["rows"], found["collected"]["images"], erasure.step) == (2, 0, "scan_before")
    assert found["collected"]["chunks"]["some_v1"] == 2 and found["collected"]["chunks"]["people_v1"] > 2
    assert found["scan_before"]["found"]["text"] > 4 and not erasure.has_receipt
    assert list(working_folder(people.settings.home).iterdir()) == []
    assert people.find_bytes(*people.own_bytes(WHO)) == set(people.own_bytes(WHO))


SKIPPED: list[tuple[str, dict[str, Any], str]] = [
    (
        "rewrite",
        {"rewritten": [], "statistics_rewritten": True, "compressed": [], "rewritten_at": "0/0"},
        r"lake\.people",
    ),
    ("turn_over_wal", {"wal": {"done": True}}, r"pg_wal"),
]


@pytest.mark.parametrize(("step", "found", "place"), SKIPPED)
async def test_without_a_step_the_last_scan_finds_the_bytes_and_with_it_they_go(
    people: People, monkeypatch: pytest.MonkeyPatch, step: str, found: dict[str, Any], place: str
) -> None:
    """The check can fail."""

    async def skip(_: Any) -> dict[str, Any]:
        return found

    with people.database_admin() as connection:
        start_segment(connection)
        connection.execute("update lake.people set surname = surname where number = %s", [WHO])
    erasure_id = await people.ask(str(WHO))
    with monkeypatch.context() as patched:
        patched.setitem(erasure_steps.RUN, step, skip)
        with pytest.raises(UnavailableError, match=place):
            await people.run(erasure_id)
    assert not (await people.get(erasure_id)).has_receipt
    assert people.find_bytes(*people.own_bytes(WHO)) != set()
    assert await people.ask(str(WHO)) == erasure_id, "the same keys again: the same erasure goes on"
    assert (await people.run(erasure_id)).has_receipt
    assert people.find_bytes(*people.own_bytes(WHO)) == set()


async def test_an_old_snapshot_is_waited_for_and_is_why(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While somebody can still see the rows a rewrite copies them (SnapshotAny); with the wait skipped it does."""

    async def skip(_: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(erasure_steps, "PATIENCE_S", 0.5)
    erasure_id = await people.ask(str(WHO))
    with psycopg.connect(people.settings.database_url or "") as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select count(*) from lakeward.dataset")
        with pytest.raises(UnavailableError, match="1 transactions"):
            await people.run(erasure_id)
        with monkeypatch.context() as patched:
            patched.setitem(erasure_steps.RUN, "wait", skip)
            with pytest.raises(UnavailableError, match=r"lake\.people"):
                await people.run(erasure_id)
    assert (await people.run(erasure_id)).has_receipt
    assert people.find_bytes(*people.own_bytes(WHO)) == set()


async def test_without_its_working_file_it_stops_and_can_be_asked_for_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Any) -> dict[str, Any]:
        raise UnavailableError("not now")

    erasure_id = await people.ask(str(WHO))
    with monkeypatch.context() as patched:
        patched.setitem(erasure_steps.RUN, "rewrite", fail)
        with pytest.raises(UnavailableError):
            await people.run(erasure_id)
    remove_working(people.settings.home, erasure_id)
    with pytest.raises(ConflictError, match="ask for the same erasure again"):
        await people.run(erasure_id)
    with people.database_admin() as connection:
        connection.execute("update lakeward.job set state = 'failed'")
    assert await people.ask(str(WHO)) == erasure_id
    assert (await people.run(erasure_id)).has_receipt


async def test_what_else_holds_the_bytes_is_purged_or_named(people: People) -> None:
    email, *_ = people.own_bytes(WHO)
    uploads = people.settings.home / "uploads"
    uploads.mkdir()
    old, new = uploads / "a.upload", uploads / "b.upload"
    for path in (old, new):
        path.write_text(f"x,{email},y")
    os.utime(old, (time.time() - 3600,) * 2)
    with people.database_admin() as connection:
        reject(connection, f"x,{email}")
        connection.execute(
            "with e as (insert into lakeward.eval_set (name, index_id) "
            "select 'asked', id from lakeward.vector_index where name = 'people_v1' returning id) "
            "insert into lakeward.eval_query (eval_id, question, vector, relevant) "
            "select e.id, q.question, q.vector, q.relevant from e, (values "
            "('who is ' || %s, null, '{}'::text[]), ('and who', null, array['7', %s]), "
            "(null, (select (c.embedding::ext.vector)::real[] from vec.people_v1 c where c.row_key = %s "
            # one that says enough to be somebody's
            "order by (select count(*) from unnest((c.embedding::ext.vector)::real[]) x where x <> 0) desc "
            "limit 1), '{}')"
            ") q (question, vector, relevant)",
            [email, str(WHO), WHO],
        )
        connection.execute(
            """insert into lakeward.job (kind, state, error) values ('ingest', 'failed', %s)""",
            [f'{{"code": "duplicate_row_key", "message": "for example {email}"}}'],
        )
    erasure_id = await people.ask(str(WHO))
    with pytest.raises(UnavailableError, match=r"home/uploads/b\.upload"):
        await people.run(erasure_id)
    assert not old.exists()
    new.unlink()
    assert (await people.run(erasure_id)).has_receipt
    with people.database_admin() as connection:
        assert connection.execute("select raw, reason from lakeward.rejected_row").fetchall() == [
            ("", "erased")
        ]
        assert connection.execute(
            "select error ->> 'message' from lakeward.job where kind = 'ingest'"
        ).fetchall() == [("erased",)]
        assert connection.execute("select question, relevant from lakeward.eval_query").fetchall() == [
            ("and who", ["7"])
        ]
    removed = (await people.receipt(erasure_id)).receipt["removed"]
    assert (removed["uploads"], removed["rejected_rows"], removed["jobs"]) == (1, 1, 1)
    assert removed["eval_queries"] == 3
    assert people.find_bytes(*people.own_bytes(WHO)) == set()


async def test_what_comes_while_it_works_and_holds_the_bytes_goes_with_the_next_attempt(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for the person by a text that is kept, and loads a broken line, after the rows are purged."""
    email, *_ = people.own_bytes(WHO)
    wait = erasure_steps.RUN["wait"]

    async def come_late(work: Any) -> dict[str, Any]:
        with people.database_admin() as connection:
            reject(connection, f"x,{email}")
            connection.execute(
                "with e as (insert into lakeward.eval_set (name, index_id) "
                "select 'asked:people_v1', id from lakeward.vector_index where name = 'people_v1' returning id) "
                "insert into lakeward.eval_query (eval_id, question) "
                "select e.id, q.question from e, (values ('who is ' || %s), ('and who')) q (question)",
                [email],
            )
        return await wait(work)

    erasure_id = await people.ask(str(WHO))
    with monkeypatch.context() as patched:
        patched.setitem(erasure_steps.RUN, "wait", come_late)
        with pytest.raises(UnavailableError, match="eval_query"):
            await people.run(erasure_id)
    assert (await people.run(erasure_id)).has_receipt
    with people.database_admin() as connection:
        assert connection.execute("select raw from lakeward.rejected_row").fetchall() == [("",)]
        assert connection.execute("select question from lakeward.eval_query").fetchall() == [("and who",)]
    removed = (await people.receipt(erasure_id)).receipt["removed"]
    assert (removed["rejected_rows"], removed["eval_queries"]) == (1, 1)
    assert people.find_bytes(*people.own_bytes(WHO)) == set()


async def test_what_callers_put_on_record_of_themselves_is_taken_out(people: People) -> None:
    """A model's name is the caller's to say, and so is what a person's own session says that it has read."""
    email, *_ = people.own_bytes(WHO)
    actor = Actor(principal="key", profile="raw", model=f"model of {email}", source="api")
    async with people.database.owner(actor).begin() as transaction:
        await transaction.execute(
            "select lakeward.append_audit('rest', 'search people_v1', '{people}', null, 1, '{7}', 1, 'ok')"
        )
    with people.database_admin() as connection:
        # as append_audit writes it for a login
        connection.execute(
            "insert into lakeward.audit_entry (principal, login, door, operation, relations, hits, outcome) "
            "values ('u', 'u', 'psql', 'search people_v1', '{people}', array['7', 'so ' || %s], 'ok')",
            [email],
        )
    assert (await people.erase(str(WHO))).has_receipt
    with people.database_admin() as connection:
        kept = connection.execute(
            "select model, hits from lakeward.audit_entry where hits is not null order by id"
        )
        assert kept.fetchall() == [(None, ["7"]), (None, ["7"])]
    assert people.find_bytes(email) == set()


@pytest.mark.parametrize(("step", "attempts"), [("wait", 1), ("turn_over_wal", 2)])
async def test_a_search_that_began_before_and_is_recorded_afterwards_names_nobody(
    people: People, monkeypatch: pytest.MonkeyPatch, step: str, attempts: int
) -> None:
    """While old snapshots are waited for it is taken out; still later the erasure begins again at the wait."""
    act = erasure_steps.RUN[step]  # type: ignore[index]

    async def record_late(work: Any) -> dict[str, Any]:
        async with people.database.owner().begin() as transaction:
            await transaction.execute(
                "select lakeward.append_audit('search', 'search', '{people}', 'x', 2, %(hits)s, 1, 'ok')",
                {"hits": [str(WHO), "7"]},
            )
        return await act(work)

    erasure_id = await people.ask(str(WHO))
    with monkeypatch.context() as patched:
        patched.setitem(erasure_steps.RUN, step, record_late)
        if attempts > 1:
            with pytest.raises(UnavailableError, match="on record"):
                await people.run(erasure_id)
        else:
            await people.run(erasure_id)
    if attempts > 1:
        await people.run(erasure_id)
    receipt = (await people.receipt(erasure_id)).receipt
    assert receipt["doors"]["audit_hits"] == 0
    with people.database_admin() as connection:
        hits = connection.execute(
            "select hits from lakeward.audit_entry where arguments_sha256 = 'x'"
        ).fetchall()
    assert hits == [(["7"],)]


async def test_values_that_others_have_too_are_not_searched_for(people: People) -> None:
    """Another dataset has the same e-mail address: it stays there, and the erasure ends all the same."""
    email, username, *_ = people.own_bytes(WHO)
    await people.load(f"number,mail\n1,{email}\n", dataset="letters")
    erasure = await people.erase(str(WHO))
    receipt = (await people.receipt(erasure.id)).receipt
    assert receipt["not_searched"]["also_in_other_rows"]["text"] >= 1
    assert people.find_bytes(email, username) == {email}


async def test_a_reason_that_tells_who_it_was_is_refused_before_anything_is_touched(people: People) -> None:
    email, *_ = people.own_bytes(WHO)
    with pytest.raises(InvalidInputError, match="reason"):
        await people.erase(str(WHO), reason=f"{email} asked for it")
    with people.database_admin() as connection:
        assert connection.execute("select count(*) from lakeward.tombstone").fetchone() == (0,)
    assert not working_folder(people.settings.home).exists()


async def test_tombstoned_rows_and_many_at_once(people: People) -> None:
    with people.database_admin() as connection:
        statement = sql.SQL("set role {}").format(sql.Identifier(people.database.deployment.owner_role))
        connection.execute(statement)
        connection.execute("select lakeward.create_tombstones('people', 'number', '{3,4}', 'first')")
    many = [str(number) for number in range(1, 200)]
    erasure = await people.erase(*many, "77777")
    receipt = (await people.receipt(erasure.id)).receipt
    removed = receipt["removed"]
    assert (removed["rows"], removed["tombstoned_before"], removed["unknown_keys"]) == (197, 2, 1)
    assert receipt["scan_after"]["patterns"]["text"] > 500
    kept = to_csv(people.rows[199:])
    values = [
        value for number in (3, 4, 60, 120, 199) for value in people.own_bytes(number) if value not in kept
    ]
    assert len(values) > 10 and people.find_bytes(*values) == set()


async def test_a_load_that_waits_for_the_lock_comes_after(people: People) -> None:
    """A replacement that was on its way when the rows were purged finds their tombstones."""
    erasure_id = await people.ask(str(WHO))
    loading = asyncio.create_task(people.load(to_csv(people.rows) + "90001,,,,,,,,\n", "replace"))
    try:
        await people.run(erasure_id)
    except UnavailableError:
        await loading
        await people.run(erasure_id)
    await loading
    with people.database_admin() as connection:
        found = connection.execute("select count(*) from lake.people where number = %s", [WHO]).fetchone()
    assert found == (0,)


async def test_a_tombstoned_row_of_a_file_with_other_columns_leaves_no_bytes_in_the_new_table(
    people: People,
) -> None:
    """The load table becomes the dataset's; a row that was only deleted from it would still be in its file."""
    await people.load("number,mail\n1,one\n2,two\n", dataset="letters")
    with people.database_admin() as connection:
        connection.execute(
            sql.SQL("set role {}").format(sql.Identifier(people.database.deployment.owner_role))
        )
        connection.execute("select lakeward.create_tombstones('letters', 'number', '{2}', 'first')")
    content = "number,mail,text\n1,one,stays-in-the-table\n2,two,must-not-be-in-the-table\n"
    loaded = await people.load(content, "replace", dataset="letters")
    assert (loaded.rows, loaded.tombstoned) == (1, 1)
    with people.database_admin() as connection:
        connection.execute("checkpoint")
        [path] = connection.execute("select pg_relation_filepath('lake.letters')").fetchone() or [""]
        indexes = connection.execute(
            "select count(*) from pg_index where indrelid = 'lake.letters'::regclass"
        )
        assert indexes.fetchone() == (1,)
    found = (people.data / path).read_bytes()
    assert b"stays-in-the-table" in found and b"must-not-be-in-the-table" not in found
