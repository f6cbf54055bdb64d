"""Who is on record: the app says who it acts for, a person in psql is that person and nobody else."""

import psycopg
import pytest

from app.db.scope import Actor

SHA = "a" * 64
AUDIT = f"select lakeward.append_audit(%s, %s, %s, '{SHA}', 2, '{{1,2}}', 1.5, 'ok')"
FORGED = Actor(principal="somebody", profile="beta", model="m", source="api", request_id="r9")


def forge(connection):
    connection.execute(
        "select set_config('lakeward.actor', %s, false)",
        ['{"principal": "somebody", "profile": "beta", "model": "m", "source": "api", "request_id": "r9"}'],
    )


async def test_the_app_records_whom_it_acts_for(database, world, rows):
    actor = Actor(principal="key_1", profile="alpha", model="llama", request_id="r1", source="api")
    reader = database.reader(world.alpha, actor)
    assert await reader.fetch_value(AUDIT, ["rest", "search", ["people"]]) is True
    assert [
        (e["principal"], e["profile"], e["model"], e["request_id"], e["door"], e["operation"])
        for e in rows("select * from lakeward.audit_entry")
    ] == [("key_1", "alpha", "llama", "r1", "rest", "search")]


async def test_a_person_in_psql_is_recorded_under_the_own_name_alone(logged_in, rows):
    with logged_in("alpha") as connection:
        forge(connection)
        connection.execute(AUDIT, ["rest", "select", ["people"]])
        login = connection.info.user
    (entry,) = rows("select * from lakeward.audit_entry")
    assert (entry["principal"], entry["login"], entry["profile"], entry["door"]) == (
        login,
        login,
        "alpha",
        "psql",
    )
    assert entry["model"] is None and entry["request_id"] is None


@pytest.mark.parametrize(
    "said",
    [
        "'psql', 'somebody''s words', '{people}', null, 1, '{1}', 1, 'ok'",
        "'psql', 'search nothing_v1', '{people}', null, 1, '{1}', 1, 'ok'",
        "'psql', 'select', '{people,words}', null, 1, '{1}', 1, 'ok'",
        # of another profile: whether it is there is none of this one's business
        "'psql', 'select', '{orders}', null, 1, '{1}', 1, 'ok'",
        "'psql', 'select', '{people}', 'words', 1, '{1}', 1, 'ok'",
        "'psql', 'select', '{people}', null, 1, '{1}', 1, 'words'",
        "'psql', 'select', '{people}', null, -1, '{1}', 1, 'ok'",
        "'psql', 'select', '{people}', null, 1, '{1}', 'NaN', 'ok'",
        "'psql', 'select', '{people}', null, 1, '{{1},{2}}', 1, 'ok'",
        "'psql', 'select', '{people}', null, 1, array[repeat('x', 2000000)], 1, 'ok'",
    ],
)
async def test_a_person_in_psql_puts_no_words_of_its_own_on_record(logged_in, rows, said):
    """The record stays; what anybody could write there, an erasure could not take out."""
    with (
        logged_in("alpha") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="no words"),
    ):
        connection.execute(f"select lakeward.append_audit({said})")
    assert rows("select * from lakeward.audit_entry") == []


@pytest.mark.parametrize(
    "statement",
    [
        "insert into lakeward.audit_entry (door, operation, outcome) values ('rest', 'x', 'ok')",
        "insert into lakeward.journal (kind) values ('x')",
        "select lakeward.append_journal('x', null, null, null, null, null)",
        "select lakeward.acting()",
        "select * from lakeward.journal",
        "select * from lakeward.audit_entry",
    ],
)
async def test_a_person_in_psql_reaches_neither_table(logged_in, statement):
    with logged_in("alpha") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


async def test_the_steward_appends_what_happened_elsewhere(database, rows):
    async with database.steward(FORGED).begin() as transaction:
        await transaction.execute(
            "select lakeward.append_journal('note', 'people', '1', null, null, '\"x\"')"
        )
    (entry,) = rows("select * from lakeward.journal where kind = 'note'")
    assert (entry["actor"], entry["source"], entry["entity"], entry["new"]) == ("somebody", "api", "1", "x")
    assert entry["transaction"] is not None


async def test_without_a_name_it_is_the_service(database, rows):
    async with database.owner().begin() as transaction:
        await transaction.execute("select lakeward.append_journal('note', null, null, null, null, null)")
    (entry,) = rows("select * from lakeward.journal where kind = 'note'")
    assert (entry["actor"], entry["source"]) == ("", "service")
