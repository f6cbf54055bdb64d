"""Every change of a dataset's rows is on record, whoever makes it; what has an entry of its own is not there twice."""

import psycopg
import pytest
from psycopg import sql

from app.db.scope import Actor

SHOWN = "kind, entity, field, old, new, actor, profile, source"


@pytest.fixture
def journal(rows):
    """The entries of a dataset since the last call, without their ids."""
    last = 0

    def read(dataset="people"):
        nonlocal last
        found = rows(
            "select * from lakeward.journal where dataset = %s and id > %s order by id", dataset, last
        )
        last = max([last, *(entry["id"] for entry in found)])
        return [(e["kind"], e["entity"], e["field"], e["old"], e["new"]) for e in found]

    read()
    return read


@pytest.fixture
def owner(world):
    """The admin, become the owner in a session of his own."""
    with world.deployed.connect() as connection:
        name = sql.Identifier(world.deployed.deployment.owner_role)
        connection.execute(sql.SQL("set role {}").format(name))
        yield connection


CHANGES = [
    ("update lake.people set name = 'A.' where id = 1", [("update", "1", "name", "Ada", "A.")]),
    ("update lake.people set name = 'Ada' where id = 1", []),
    ("update lake.people set name = null where id = 1", [("update", "1", "name", "Ada", None)]),
    (
        "update lake.people set note = 'n', name = 'x' || id",
        [
            ("update", "1", "name", "Ada", "x1"),
            ("update", "1", "note", "first", "n"),
            ("update", "2", "name", "Grace", "x2"),
            ("update", "2", "note", "second", "n"),
        ],
    ),
    (
        "update lake.people set id = 7, name = 'A.' where id = 1",
        [
            ("rekey", "1", "id", "1", "7"),
            ("rekey", "7", "id", "1", "7"),
            ("update", "1", "name", "Ada", "A."),
        ],
    ),
    (
        "insert into lake.people values (3, 'Edith', null)",
        [("insert", "3", None, None, {"id": 3, "name": "Edith", "note": None})],
    ),
    (
        "insert into lake.people values (1, 'A.', null), (3, 'E', null)"
        " on conflict (id) do update set name = excluded.name",
        [
            ("update", "1", "name", "Ada", "A."),
            ("insert", "3", None, None, {"id": 3, "name": "E", "note": None}),
        ],
    ),
    (
        "delete from lake.people where id = 2",
        [("delete", "2", None, {"id": 2, "name": "Grace", "note": "second"}, None)],
    ),
    (
        "truncate lake.people",
        [
            ("delete", "1", None, {"id": 1, "name": "Ada", "note": "first"}, None),
            ("delete", "2", None, {"id": 2, "name": "Grace", "note": "second"}, None),
        ],
    ),
]


def by_entity(entries):
    return sorted(entries, key=lambda entry: (entry[0] != "rekey", str(entry[1]), str(entry[2])))


@pytest.mark.parametrize("path", ["this month", "another"])
@pytest.mark.parametrize(("statement", "expected"), CHANGES)
def test_a_change_is_an_entry_for_each_field(world, owner, journal, statement, expected, path):
    if path == "another":
        # as it is when the month is over and nobody has renewed the function yet
        owner.execute(f"alter table record.{part(owner)} rename to gone")
        owner.execute("select lakeward.install_journal(id) from lakeward.dataset")
        assert "clock_timestamp" not in source(owner)
    else:
        assert "clock_timestamp" in source(owner)
    owner.execute(statement)
    assert by_entity(journal()) == by_entity(expected)


def part(connection):
    return connection.execute("select to_char(now() at time zone 'UTC', '\"journal\"_YYYY_MM')").fetchone()[0]


def source(connection):
    return connection.execute(
        "select string_agg(prosrc, '') from pg_proc where proname ~ '^journal_rows_[0-9]+$'"
    ).fetchone()[0]


def test_direct_sql_is_recorded_with_the_login(owner, rows):
    owner.execute("update lake.people set name = 'A.' where id = 1")
    (entry,) = rows("select * from lakeward.journal where kind = 'update' and dataset = 'people'")
    assert (entry["actor"], entry["source"], entry["profile"]) == (owner.info.user, "sql", None)


async def test_the_app_is_recorded_with_whom_it_acts_for(database, rows):
    actor = Actor(principal="key_1", profile="alpha", model="llama", request_id="r1", source="api")
    async with database.owner(actor).begin() as transaction:
        await transaction.execute("update lake.people set name = 'A.' where id = 1")
    (entry,) = rows("select * from lakeward.journal where kind = 'update' and dataset = 'people'")
    assert [entry[k] for k in ("actor", "profile", "model", "source", "request_id")] == [
        "key_1",
        "alpha",
        "llama",
        "api",
        "r1",
    ]


async def test_the_owners_own_code_may_say_that_it_has_an_entry_of_its_own(database, journal, world):
    async with database.owner().begin({"lakeward.journal_rows": "off"}) as transaction:
        await transaction.execute("update lake.people set name = 'A.'; delete from lake.people where id = 2")
        await transaction.execute("insert into lake.people values (9, 'x', 'y'); truncate lake.people")
    assert journal() == []


def test_nobody_else_switches_it_off(world, owner, journal, logged_in):
    """Neither whoever becomes the owner in a session of his own, nor a superuser."""
    owner.execute("set lakeward.journal_rows = 'off'")
    owner.execute("update lake.people set name = 'A.' where id = 1")
    assert journal() == [("update", "1", "name", "Ada", "A.")]
    if world.deployed.cluster.is_superuser():
        owner.execute("reset role")
        owner.execute("delete from lake.people where id = 2; truncate lake.people")
        assert [entry[:2] for entry in journal()] == [("delete", "2"), ("delete", "1")]
        owner.execute(
            sql.SQL("set session authorization {}").format(
                sql.Identifier(world.deployed.deployment.owner_role)
            )
        )
        owner.execute("set lakeward.journal_rows = 'off'")
        owner.execute("insert into lake.people values (5, 'x', 'y')")
        assert [entry[:2] for entry in journal()] == [("insert", "5")]


def test_a_definer_function_that_a_person_calls_may(world, owner, journal, logged_in):
    owner.execute(
        "create function lakeward.test_tombstone() returns void language plpgsql security definer "
        "set search_path = pg_catalog, pg_temp as $$ begin "
        "perform set_config('lakeward.journal_rows', 'off', true); delete from lake.people where id = 1; "
        "perform lakeward.append_journal('tombstone', 'people', '1', null, null, null); end $$"
    )
    owner.execute("grant execute on function lakeward.test_tombstone() to public")
    with logged_in("alpha") as connection:
        connection.execute("select lakeward.test_tombstone()")
    assert journal() == [("tombstone", "1", None, None, None)]


def test_a_row_that_cannot_be_recorded_is_not_changed(world, owner, journal):
    owner.execute("alter table lakeward.journal add constraint broken check (kind <> 'update') not valid")
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute("update lake.people set name = 'A.'")
    assert owner.execute("select name from lake.people where id = 1").fetchone() == ("Ada",)
    assert journal() == []


def test_what_is_rolled_back_is_not_on_record(owner, journal):
    with pytest.raises(psycopg.errors.DivisionByZero), owner.transaction():
        owner.execute("update lake.people set name = 'A.'")
        owner.execute("select 1 / 0")
    assert journal() == []


def create(connection, name, columns, row_key):
    relation = connection.execute(
        "insert into lakeward.relation (name, kind) values (%s, 'dataset') returning id", [name]
    ).fetchone()[0]
    connection.execute(
        "insert into lakeward.dataset (id, name, home, row_key) values (%s, %s, 'table', %s)",
        [relation, name, row_key],
    )
    for position, (column, kind) in enumerate(columns.items(), 1):
        connection.execute(
            "insert into lakeward.dataset_column (dataset_id, position, name, source_name, type)"
            " values (%s, %s, %s, %s, %s)",
            [relation, position, column, column, kind],
        )
    connection.execute("select lakeward.create_dataset_table(%s)", [relation])
    return relation


KEYS = [
    ("bigint", "7", "7"),
    ("text", 'it\'s "7"', 'it\'s "7"'),
    ("date", "2024-02-29", "2024-02-29"),
    ("timestamptz", "2024-02-29 12:00+00", "2024-02-29 12:00:00+00"),
    ("timestamp", "2024-02-29 12:00", "2024-02-29 12:00:00"),
    ("double precision", "0.1", "0.1"),
    ("numeric", "1.50", "1.50"),
    ("bytea", "\\x00ff", "\\x00ff"),
    ("boolean", "t", "true"),
]


@pytest.mark.parametrize(("kind", "value", "entity"), KEYS)
def test_a_key_is_one_text_whatever_the_session_has_set(owner, journal, kind, value, entity):
    create(owner, "keyed", {"k": kind, "v": "text"}, "k")
    owner.execute("insert into lake.keyed values (%s, 'a')", [value])
    owner.execute(
        "set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'; set bytea_output = 'escape'; "
        "set extra_float_digits = -15"
    )
    owner.execute("update lake.keyed set v = 'b'")
    owner.execute("delete from lake.keyed")
    assert [entry[1] for entry in journal("keyed")] == [entity] * 3


NAMES = {
    "<who>": "text",
    "%s %1$I %": "text",
    'a "quoted" one': "text",
    "it's $code$ $$": "text",
    "old": "text",
    "new": "text",
    "said": "jsonb",
    "reader": "text[]",
    "r": "numeric",
    "tg_op": "boolean",
    "select": "timestamptz",
    "id": "bigint",
}


def test_columns_of_any_name_and_type(owner, journal):
    create(owner, "odd", NAMES, "id")
    columns = sql.SQL(", ").join(map(sql.Identifier, NAMES))
    owner.execute(
        sql.SQL(
            "insert into lake.odd ({}) values ('a', 'a', 'a', 'a', 'a', 'a', '1', '{{a}}', 1, true, now(), 1)"
        ).format(columns)
    )
    assert journal("odd")[0][:2] == ("insert", "1")
    for name in NAMES:
        if name != "id":
            owner.execute(sql.SQL("update lake.odd set {} = null").format(sql.Identifier(name)))
            ((kind, entity, field, old, new),) = journal("odd")
            assert (kind, entity, field, new) == ("update", "1", name, None) and old is not None


def test_a_dataset_without_a_row_key_and_one_that_gets_it_later(owner, journal):
    relation = create(owner, "keyless", {"k": "bigint", "v": "text"}, None)
    owner.execute("insert into lake.keyless values (1, 'a'); update lake.keyless set v = 'b'")
    assert [entry[:3] for entry in journal("keyless")] == [("insert", None, None), ("update", None, "v")]
    owner.execute("select lakeward.ensure_row_key(%s, 'k')", [relation])
    owner.execute("update lakeward.dataset set row_key = 'k' where id = %s", [relation])
    owner.execute("update lake.keyless set v = 'c'")
    assert journal("keyless") == [("update", "1", "v", "b", "c")]


def test_a_table_of_many_columns(owner, journal):
    create(owner, "wide", {"id": "bigint", **{f"c{n}": "text" for n in range(300)}}, "id")
    assert (
        "clock_timestamp"
        not in owner.execute(
            "select prosrc from pg_proc where oid = to_regproc(%s)", [function(owner, "wide")]
        ).fetchone()[0]
    )
    owner.execute("insert into lake.wide (id, c7) values (1, 'a')")
    owner.execute("update lake.wide set c7 = 'b', c9 = 'c'")
    assert sorted(journal("wide")[1:]) == [("update", "1", "c7", "a", "b"), ("update", "1", "c9", None, "c")]


def test_the_function_goes_with_the_dataset(owner):
    relation = create(owner, "short", {"id": "bigint"}, "id")
    owner.execute("delete from lakeward.relation where id = %s", [relation])
    assert owner.execute("select to_regproc(%s)", [f"record.journal_rows_{relation}"]).fetchone() == (None,)


def test_functions_of_an_earlier_month_are_renewed(owner, journal):
    assert owner.execute("select lakeward.renew_journals()").fetchone() == (0,)
    owner.execute(f"comment on function {function(owner, 'people')}() is 'x 2020_01'")
    owner.execute("select lakeward.ensure_partitions()")
    assert owner.execute("select lakeward.renew_journals()").fetchone() == (1,)
    owner.execute("update lake.people set name = 'A.' where id = 1")
    assert len(journal()) == 1


def function(connection, dataset):
    return connection.execute(
        "select format('record.%%I', 'journal_rows_' || id) from lakeward.dataset where name = %s", [dataset]
    ).fetchone()[0]
