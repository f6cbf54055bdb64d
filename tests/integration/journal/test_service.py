"""What a reader sees of the journal: its own relations' rows as they are now, in the fields it sees as they are."""

import psycopg
import pytest
from psycopg import sql

from app.db.scope import Actor
from app.journal.service import list_audit, list_history, list_recent, renew_partitions
from tests.integration.journal.test_rows import create


@pytest.fixture
def owner(world):
    """The owner, in the app."""
    with world.deployed.connect("owner") as connection:
        yield connection


@pytest.fixture
async def changed(database, world, owner):
    """`people` with three changes of row 1: by alpha's own act, by beta's, by the owner."""
    with world.deployed.connect("steward") as steward:
        steward.execute("update lakeward.dataset_column set sensitivity = 'internal'")
    for principal, profile in (("key_a", "alpha"), ("key_b", "beta")):
        actor = Actor(principal=principal, profile=profile, model="llama", request_id="r1", source="api")
        async with database.owner(actor).begin() as transaction:
            await transaction.execute("update lake.people set name = %s where id = 1", [f"by {principal}"])
    owner.execute("update lake.people set note = 'third' where id = 1")
    return database


def told(page):
    return [(e.kind, e.entity, e.field, e.old, e.new) for e in page.items]


async def history(database, role, entity="1", dataset="people"):
    return told(await list_history(database, database.reader(role), dataset, entity, 100, None))


INSERTED = ("insert", "1", None, None, {"id": 1, "name": "Ada", "note": "first"})
RENAMED = [("update", "1", "name", "Ada", "by key_a"), ("update", "1", "name", "by key_a", "by key_b")]
NOTED = ("update", "1", "note", "first", "third")


async def test_a_bound_reader_sees_the_rows_life(changed, world):
    assert await history(changed, world.alpha) == [INSERTED, *RENAMED, NOTED]
    recent = await list_recent(changed, changed.reader(world.alpha), 100, None)
    assert {e.dataset for e in recent.items} == {"people"} and len(recent.items) == 5
    assert [e.id for e in recent.items] == sorted((e.id for e in recent.items), reverse=True)


async def test_who_acted_is_told_of_the_profiles_own_acts_alone(changed, world):
    page = await list_history(changed, changed.reader(world.alpha), "people", "1", 100, None)
    own, other = page.items[1], page.items[2]
    assert (own.actor, own.profile, own.model, own.request_id) == ("key_a", "alpha", "llama", "r1")
    assert (other.actor, other.profile, other.model, other.request_id) == (None, None, None, None)


async def test_another_reader_sees_nothing_of_it(changed, world):
    assert await history(changed, world.beta) == []
    recent = await list_recent(changed, changed.reader(world.beta), 100, None)
    assert {e.dataset for e in recent.items} == {"orders"}
    assert (await list_recent(changed, changed.reader(world.beta), 100, None, dataset="people")).items == []


async def test_the_steward_sees_all_of_it(changed):
    recent = await list_recent(changed, changed.steward(), 500, None)
    assert {"people", "orders", None} == {e.dataset for e in recent.items}
    assert {"create", "insert", "update"} <= {e.kind for e in recent.items}


async def test_unbinding_takes_the_history_too(changed, world):
    async with changed.steward().begin() as transaction:
        await transaction.execute("delete from lakeward.binding where profile_id = 'alpha'")
    assert await history(changed, world.alpha) == []


async def test_a_field_that_is_not_shown_as_it_is_is_not_told(changed, world, owner):
    async with changed.steward().begin() as transaction:
        await transaction.execute(
            "update lakeward.dataset_column set sensitivity = 'confidential' where name = 'name'"
        )
    whole = ("insert", "1", None, None, {"id": 1, "note": "first"})
    assert await history(changed, world.alpha) == [whole, NOTED]
    async with changed.steward().begin() as transaction:
        await transaction.execute(
            "update lakeward.dataset_column set sensitivity = 'unclassified' where name = 'note'"
        )
    assert await history(changed, world.alpha) == [("insert", "1", None, None, {"id": 1})]


async def test_a_masked_key_has_no_history(changed, world):
    async with changed.steward().begin() as transaction:
        await transaction.execute(
            "update lakeward.dataset_column set sensitivity = 'restricted' where name = 'id'"
        )
    assert await history(changed, world.alpha) == []
    assert (await list_recent(changed, changed.reader(world.alpha), 100, None)).items == []


async def test_a_deleted_row_has_no_history_and_the_next_of_its_key_only_its_own(changed, world, owner):
    owner.execute("delete from lake.people where id = 1")
    assert await history(changed, world.alpha) == []
    owner.execute("insert into lake.people values (1, 'Zoe', 'new')")
    life = [("insert", "1", None, None, {"id": 1, "name": "Zoe", "note": "new"})]
    assert await history(changed, world.alpha) == life
    assert len(await history(changed, world.deployed.deployment.steward_role)) == 6


async def test_a_row_that_a_tombstone_took_has_no_history(changed, world, owner):
    """Its deletion is not told row by row; that the row is not there is what counts."""
    async with changed.owner().begin({"lakeward.journal_rows": "off"}) as transaction:
        await transaction.execute("delete from lake.people where id = 1")
    assert await history(changed, world.alpha) == []
    recent = await list_recent(changed, changed.reader(world.alpha), 100, None)
    assert {entry.entity for entry in recent.items} == {"2"}


async def test_a_masked_key_that_looks_like_itself_has_none_either(database, world):
    with world.deployed.connect("steward") as steward:
        relation = create(steward, "signs", {"id": "text", "v": "text"}, "id")
        steward.execute(
            "insert into lakeward.binding (profile_id, relation_id, role_name) values ('alpha', %s, %s)",
            [relation, world.alpha],
        )
        steward.execute("update lakeward.dataset_column set sensitivity = 'internal' where name = 'v'")
        steward.execute("update lakeward.dataset_column set sensitivity = 'restricted' where name = 'id'")
        steward.execute("update lakeward.profile set access_role = 'recruiter' where id = 'alpha'")
    async with database.owner().begin() as transaction:
        await transaction.execute("insert into lake.signs values ('--', 'a')")
    shown = await database.reader(world.alpha).fetch_value("select id from p_alpha.signs")
    assert shown == "--"
    assert await history(database, world.alpha, "--", "signs") == []


async def test_recent_finds_what_is_far_back(changed, world, owner):
    """And reads no more of the journal than it must."""
    for n in range(400):
        owner.execute("select lakeward.append_journal('note', null, %s, null, null, null)", [str(n)])
    found = await list_recent(changed, changed.reader(world.alpha), 3, None)
    assert [entry.kind for entry in found.items] == ["update", "update", "update"]
    rest = await list_recent(changed, changed.reader(world.alpha), 3, found.next_cursor)
    assert [entry.kind for entry in rest.items] == ["insert", "insert"] and rest.next_cursor is None


async def test_a_key_that_moved_on_takes_its_history_along(changed, world, owner):
    owner.execute("update lake.people set id = 9, name = 'moved' where id = 1")
    owner.execute("insert into lake.people values (1, 'Zoe', 'new')")
    assert await history(changed, world.alpha) == [
        ("insert", "1", None, None, {"id": 1, "name": "Zoe", "note": "new"})
    ]
    # what the row was called before is not followed: that key is somebody else's now
    assert await history(changed, world.alpha, "9") == [("rekey", "9", "id", "1", "9")]


async def test_a_file_that_replaced_the_dataset_ends_the_lives_before_it(changed, world, owner):
    owner.execute(
        "select lakeward.append_journal('load', 'people', null, null, null, '{\"disposition\": \"replace\"}')"
    )
    assert await history(changed, world.alpha) == []
    owner.execute("update lake.people set note = 'after' where id = 1")
    assert await history(changed, world.alpha) == [("update", "1", "note", "third", "after")]


async def test_what_a_dataset_of_that_name_held_before_is_nobodys(changed, world, owner):
    with world.deployed.connect() as admin:
        admin.execute("update lakeward.dataset set created_at = clock_timestamp() where name = 'people'")
    assert await history(changed, world.alpha) == []


@pytest.mark.parametrize("kind", ["load", "tombstone", "undo", "erasure", "journal_erased", "interview"])
async def test_what_is_not_of_the_relation_is_not_told(changed, world, owner, kind):
    for entity in ("1", None):
        owner.execute(
            "select lakeward.append_journal(%s, 'people', %s, 'name', '\"secret\"', '\"secret\"')",
            [kind, entity],
        )
    assert await history(changed, world.alpha) == [INSERTED, *RENAMED, NOTED]


def make_view(steward, name, row_filter, columns, redactions="{}"):
    tree = None
    if row_filter:
        tree = (
            '{"op": "gt", "args": [{"column": "id", "type": "bigint"}, {"literal": "0", "type": "bigint"}]}'
        )
    steward.execute(
        "with r as (insert into lakeward.relation (name, kind) values (%(name)s, 'view') returning id), "
        "v as (insert into lakeward.safe_view (id, name, columns, redactions) "
        "select id, %(name)s, %(columns)s, %(redactions)s::jsonb from r returning id) "
        "select 1 from v",
        {"name": name, "columns": columns, "redactions": redactions},
    )
    steward.execute(
        "insert into lakeward.safe_view_base (view_id, base_id, row_filter, filter_tree) "
        "select v.id, d.id, %s, %s::jsonb from lakeward.safe_view v, lakeward.dataset d "
        "where v.name = %s and d.name = 'people'",
        [row_filter, tree, name],
    )


@pytest.mark.parametrize(
    ("row_filter", "columns", "redactions", "expected"),
    [
        (None, ["id", "note"], "{}", [("insert", "1", None, None, {"id": 1, "note": "first"}), NOTED]),
        (
            None,
            ["id", "name", "note"],
            '{"name": {"action": "hash"}}',
            [("insert", "1", None, None, {"id": 1, "note": "first"}), NOTED],
        ),
        (None, ["name", "note"], "{}", []),
        (None, ["id", "note"], '{"id": {"action": "hash"}}', []),
        ("id > 0", ["id", "note"], "{}", []),
    ],
)
async def test_a_view_has_the_history_of_what_it_shows(
    changed, world, row_filter, columns, redactions, expected
):
    with world.deployed.connect("steward") as steward, steward.transaction():
        make_view(steward, "seen", row_filter, columns, redactions)
        steward.execute(
            "insert into lakeward.binding (profile_id, relation_id, role_name) "
            "select 'beta', id, %s from lakeward.safe_view where name = 'seen'",
            [world.beta],
        )
    assert await history(changed, world.beta, dataset="seen") == expected
    assert await history(changed, world.beta) == [], "the view's name is all that this reader knows"


async def test_in_psql_it_is_the_same(changed, world, logged_in):
    with logged_in("alpha") as connection:
        found = connection.execute(
            "select kind, entity, field, old, new from lakeward.history('people', '1')"
        ).fetchall()
        assert found == [INSERTED, *RENAMED, NOTED]
        count = "select count(*), count(distinct dataset) from lakeward.journal_entry"
        assert connection.execute(count).fetchone() == (5, 1)
        connection.execute("set role none")
        assert connection.execute(count).fetchone() == (0, 0)


HOSTILE = [
    "select * from lakeward.journal",
    "select * from record.journal_default",
    "select lakeward.journal_rows_sql(1)",
    "select lakeward.install_journal(1)",
    "select lakeward.erase_journal('people', '{1}')",
    "select lakeward.sees_row('lake', 'people', 'id', 'bigint', '1')",
    "select lakeward.sees_row('p_beta', 'orders', 'id', 'bigint', '7')",
    "insert into lakeward.journal_entry (kind) values ('x')",
    "delete from lakeward.journal_entry",
]


@pytest.mark.parametrize("statement", HOSTILE)
async def test_a_person_gets_no_further(changed, logged_in, statement):
    with (
        logged_in("alpha") as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState)),
    ):
        connection.execute(statement)


async def test_a_leaky_condition_is_asked_only_of_what_is_shown(changed, world, logged_in, owner):
    """A condition of the reader's own comes after the view's: it errs for no value that is hidden."""
    owner.execute("update lake.orders set amount = 0")
    with logged_in("alpha") as connection:
        connection.execute("select * from lakeward.journal_entry where 1 / (new::text <> '0')::int > 0")
        found = connection.execute(
            "select count(*) from lakeward.journal_entry where new::text like '%0%' and dataset <> 'people'"
        ).fetchone()
        assert found == (0,)


async def test_history_of_one_row_is_quick_beside_many(changed, world, owner):
    owner.execute("insert into lake.people select n, 'n', 'n' from generate_series(100, 3000) n")
    owner.execute("analyze lakeward.journal")
    role = sql.Identifier(world.alpha)
    owner.execute("reset role")
    with world.deployed.connect("service") as connection:
        connection.execute(sql.SQL("set role {}").format(role))
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "explain (analyze, costs off, timing off) select * from lakeward.journal_entry "
                "where dataset = 'people' and entity = '1'"
            )
        )
    part = owner.execute("select to_char(now() at time zone 'UTC', '\"journal\"_YYYY_MM')").fetchone()[0]
    assert f"Seq Scan on {part}" not in plan and f"on {part} j" in plan, plan


async def test_audit_is_listed_newest_first_and_paged(database, world):
    for n in range(5):
        await database.reader(world.alpha, Actor(principal=f"k{n}", profile="alpha")).fetch_value(
            "select lakeward.append_audit('search', 'x', '{people}', null, %s, null, null, %s)",
            [n, "ok" if n else "timeout"],
        )
    steward = database.steward()
    first = await list_audit(steward, 3, None)
    second = await list_audit(steward, 3, first.next_cursor)
    assert [e.rows for e in first.items + second.items] == [4, 3, 2, 1, 0]
    assert [e.rows for e in (await list_audit(steward, 9, None, outcome="timeout")).items] == [0]
    assert (await list_audit(steward, 9, None, profile="beta")).items == []
    assert (await list_audit(steward, 9, None, door="psql")).items == []


async def test_partitions_are_there_already(database, world):
    assert await renew_partitions(database) == 0
