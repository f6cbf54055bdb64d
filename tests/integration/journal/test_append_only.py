"""What is on record stays: for the owner, for a superuser, in every partition; only erasure takes payloads."""

import psycopg
import pytest

APPEND = "select lakeward.append_journal(%s, %s, %s, %s, %s, %s)"


@pytest.fixture
def filled(world):
    """Three entries, one audit entry and a seal, and the admin's own connection."""
    with world.deployed.connect("owner") as owner:
        owner.execute("set lakeward.journal_rows = 'off'")
        for entity, new in (("1", '"Ada"'), ("2", '"Grace"'), (None, '{"rows": 2}')):
            owner.execute(APPEND, ["note", "people", entity, "name", None, new])
        owner.execute(
            "select lakeward.append_audit('rest', 'search', '{people}', null, 3, '{1,2,1}', 0.5, 'ok')"
        )
        owner.execute(
            "insert into lakeward.journal_seal (id, from_transaction, from_id, to_transaction, to_id, entries,"
            " salts, payloads, marks, key_id, digest)"
            " select 1, '0', 0, max(transaction), max(id) + 1, count(*),"
            " decode(repeat('ab', 16 * count(*)::int), 'hex'), '', '', '', '' from lakeward.journal"
        )
    with world.deployed.connect() as connection:
        yield connection


@pytest.mark.parametrize("role", ["owner", "superuser", "steward"])
@pytest.mark.parametrize(
    "statement",
    [
        "update lakeward.journal set new = null",
        "update lakeward.journal set actor = 'x'",
        "delete from lakeward.journal",
        "truncate lakeward.journal",
        "delete from record.{part}",
        "truncate record.journal_default",
        "truncate record.{part}",
        "update record.{part} set kind = 'x'",
        "delete from lakeward.journal_seal",
        "update lakeward.journal_seal set digest = 'x'",
        "truncate lakeward.journal_seal",
        "update lakeward.audit_entry set hits = '{{}}'",
        "delete from lakeward.audit_entry",
        "truncate lakeward.audit_entry",
        "set lakeward.erasing = 'on'; update lakeward.journal set new = '\"x\"'",
        "set lakeward.erasing = 'on'; delete from lakeward.journal",
        "set lakeward.erasing = 'on'; update lakeward.audit_entry set rows = 0",
        "set lakeward.erasing = 'on'; update lakeward.audit_entry set hits = '{{7}}'",
        "set lakeward.erasing = 'on'; update lakeward.journal_seal set digest = 'x'",
    ],
)
def test_nobody_changes_the_record(filled, world, role, statement):
    if role == "superuser" and not world.deployed.cluster.is_superuser():
        pytest.skip("the tests' admin is none")
    part = filled.execute("select to_char(now() at time zone 'UTC', '\"journal\"_YYYY_MM')").fetchone()[0]
    names = {
        "owner": world.deployed.deployment.owner_role,
        "steward": world.deployed.deployment.steward_role,
        "superuser": "none",
    }
    filled.execute("select set_config('role', %s, false)", [names[role]])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        filled.execute(statement.format(part=part))


def notes(connection):
    """The entries of `filled`, and what came after them."""
    return connection.execute(
        "select id, entity, new from lakeward.journal where dataset = 'people' and kind <> 'insert' order by id"
    ).fetchall()


def test_erasure_takes_payloads_and_salts_and_says_so(filled, world):
    erase = "select * from lakeward.erase_journal('people', '{2}')"
    with world.deployed.connect("owner") as owner:
        (first, *_), (second, *_), _ = notes(owner)
        ids = [row[0] for row in owner.execute("select id from lakeward.journal order by transaction, id")]
        named = [
            row[0]
            for row in owner.execute(
                "select id from lakeward.journal where dataset = 'people' and entity = '2'"
            )
        ]
        assert owner.execute(erase).fetchone() == (len(named), 1)
        found = notes(owner)
        assert [row[1:] for row in found[:3]] == [("1", "Ada"), (None, None), (None, {"rows": 2})]
        assert found[3][1:] == (None, {"ids": named}) and second in named and first not in named
        assert owner.execute("select hits from lakeward.audit_entry").fetchone() == (["1", "1"],)
        (salts,) = owner.execute("select salts from lakeward.journal_seal").fetchone()
        zeroed = [id for place, id in enumerate(ids) if salts[place * 16 : place * 16 + 16] == bytes(16)]
        assert zeroed == named and len(salts) == 16 * len(ids)
        # again: nothing left, and nothing said
        assert owner.execute(erase).fetchone() == (0, 0)
        assert len(notes(owner)) == 4


def test_an_entity_is_followed_back_through_its_keys(filled, world):
    with world.deployed.connect("owner") as owner:
        for key in ("1", "9"):
            owner.execute(APPEND, ["rekey", "people", key, "id", '"1"', '"9"'])
        owner.execute(APPEND, ["note", "people", "1", None, None, '"somebody else"'])
        owner.execute(APPEND, ["update", "people", "9", "name", '"Ada"', '"A."'])
        owner.execute("select lakeward.erase_journal('people', '{9}')")
        kept = [(entity, new) for _, entity, new in notes(owner) if entity]
        assert kept == [("2", "Grace"), ("1", "somebody else")], (
            "the later row of that key is another subject"
        )


def test_hits_of_another_dataset_with_the_same_key_stay(filled, world):
    with world.deployed.connect("owner") as owner:
        assert owner.execute("select * from lakeward.erase_journal('orders', '{1}')").fetchone() == (0, 0)
        assert owner.execute("select hits from lakeward.audit_entry").fetchone() == (["1", "2", "1"],)


def test_nobody_else_may_erase(world):
    for role in ("steward", "service", "gate"):
        with (
            world.deployed.connect(role) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute("select lakeward.erase_journal('people', '{1}')")
