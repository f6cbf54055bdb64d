"""What is on record stays: for the owner, for a superuser, in every partition; only erasure takes payloads."""

import psycopg
import pytest

APPEND = "select lakeward.append_journal(%s, %s, %s, %s, %s, %s)"


@pytest.fixture
def filled(world):
    """Three entries, one audit entry and a seal, and the admin's own connection."""
    with world.deployed.connect("owner") as owner:
        for entity, new in (("1", '"Ada"'), ("2", '"Grace"'), (None, '{"rows": 2}')):
            owner.execute(APPEND, ["note", "people", entity, "name", None, new])
        owner.execute(
            "select lakeward.append_audit('rest', 'search', '{people}', null, 3, '{1,2,1}', 0.5, 'ok')"
        )
        owner.execute("insert into lakeward.journal_seal values (1, '0', 0, '3', 0, 0, '', '', '')")
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
        "set lakeward.erasing = 'on'; update lakeward.journal_seal set digest = ''",
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


def entries(connection, columns="entity, new, salt is not null"):
    return connection.execute(
        f"select {columns} from lakeward.journal where dataset = 'people' order by id"
    ).fetchall()


def test_erasure_takes_payloads_and_says_so(filled, world):
    with world.deployed.connect("owner") as owner:
        assert owner.execute("select * from lakeward.erase_journal('people', '{1}')").fetchone() == (1, 1)
        found = entries(owner)
        assert found[:3] == [(None, None, False), ("2", "Grace", True), (None, {"rows": 2}, True)]
        first = owner.execute("select min(id) from lakeward.journal where dataset = 'people'").fetchone()[0]
        assert found[3] == (None, {"ids": [first]}, True)
        assert owner.execute("select hits from lakeward.audit_entry").fetchone() == (["2"],)
        # again: nothing left, and nothing said
        assert owner.execute("select * from lakeward.erase_journal('people', '{1}')").fetchone() == (0, 0)
        assert len(entries(owner)) == 4


def test_an_entity_is_followed_back_through_its_keys(filled, world):
    with world.deployed.connect("owner") as owner:
        owner.execute(APPEND, ["rekey", "people", "1", "id", '"1"', '"9"'])
        owner.execute(APPEND, ["insert", "people", "1", None, None, '{"name": "somebody else"}'])
        owner.execute(APPEND, ["update", "people", "9", "name", '"Ada"', '"A."'])
        assert owner.execute("select entries from lakeward.erase_journal('people', '{9}')").fetchone() == (3,)
        kept = [entity for entity, _, whole in entries(owner) if whole and entity]
        assert kept == ["2", "1"], "the later row with the old key is another subject"


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
