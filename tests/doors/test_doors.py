"""One world, every door, the same questions: the same rows, masks, counts and refusals, as the policy means them."""

import importlib.util
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from tests.doors.doors import (
    NO_COLUMN,
    NO_RELATION,
    Answer,
    doors_of,
    plain_value,
    read_context,
    search_all,
    search_by_function,
    search_by_lance,
    search_where,
)
from tests.doors.worlds import (
    ACTIONS,
    LEVELS,
    TYPES,
    Key,
    Policy,
    Redaction,
    Row,
    expect,
    make_filter,
    make_redaction,
    make_rows,
)
from tests.integration.api.conftest import Api, api, problem

__all__ = ["api"]

NIGHTLY = os.environ.get("LAKEWARD_HYPOTHESIS") == "nightly"
WORLDS = 12 if NIGHTLY else 2
LANCE = importlib.util.find_spec("lancedb") is not None
CLEARANCES = {
    "low": ("public", Redaction("null")),
    "hashing": ("internal", Redaction("hash")),
    "masking": ("internal", Redaction("mask", 1, 1)),
    "high": ("restricted", Redaction("null")),
}


class World(msgspec.Struct, frozen=True):
    """A dataset as it was loaded, and what each reader must see of its one relation."""

    name: str
    rows: list[Row]
    gone: list[Row]
    policies: dict[str, Policy]
    indexes: dict[str, str]
    key: Key
    home: str


def default_redaction(column: str, default: Redaction) -> Redaction:
    """A role's default action, or null where it does not fit the type."""
    fits = default.action == "null" or default.action in ACTIONS.get(TYPES[column], ())
    return default if fits else Redaction("null")


def create_table(api: Api, name: str, rows: list[Row]) -> None:
    """The rows in Postgres."""
    columns = [{"name": column, "type": kind} for column, kind in TYPES.items()]
    created = api.admin.post("/catalog/datasets", json={"name": name, "row_key": "id", "columns": columns})
    assert created.status_code == 201, created.text
    with api.deployed.connect("owner") as owner:
        insert = sql.SQL("insert into {} values ({})").format(
            sql.Identifier("lake", name), sql.SQL(", ").join(sql.Placeholder() * len(TYPES))
        )
        owner.cursor().executemany(insert, [list(row.values()) for row in rows])


def create_in_bucket(api: Api, name: str, rows: list[Row]) -> None:
    """The rows as Delta: what an export of the table is, which is deleted then."""
    create_table(api, f"{name}_before", rows)
    path = f"/catalog/datasets/by-name/{name}_before"
    accepted = api.admin.post(f"{path}/export", json={"target": name})
    assert accepted.status_code == 202, accepted.text
    job = api.wait(accepted.json()["job_id"])
    assert job["state"] == "succeeded" and job["result"]["rows"] == len(rows), job
    assert api.admin.delete(path).status_code == 200


def create_attached(api: Api, name: str, rows: list[Row]) -> None:
    """The rows in two Parquet files that somebody else wrote, with types of their own."""
    folder = api.settings.home / "buckets" / "local" / name
    folder.mkdir()
    table = pa.Table.from_pylist(rows, pa.schema(FOREIGN))
    pq.write_table(table.slice(0, 15), folder / "a.parquet")
    pq.write_table(table.slice(15), folder / "b.parquet")
    body = {"name": name, "path": name, "row_key": "id"}
    answer = api.admin.post("/catalog/datasets/attach", json=body)
    assert answer.status_code == 201, answer.text


FOREIGN = {
    "id": pa.int32(),
    "name": pa.large_string(),
    "mail": pa.string(),
    "born": pa.date32(),
    "pay": pa.int64(),
    "score": pa.float32(),
    "team": pa.dictionary(pa.int8(), pa.string()),
    "active": pa.bool_(),
    "rate": pa.decimal128(12, 2),
    "hired": pa.timestamp("ms", "UTC"),
}
CREATE = {"table": create_table, "bucket": create_in_bucket, "attached": create_attached}


def make_world(api: Api, number: int, home: str = "table") -> World:
    """A dataset with random sensitivities, a reader of it for each clearance, four views, their readers, tombstones.

    Where its rows are makes no difference to any answer; only what is not in Postgres has no index, and psql has not
    heard of it.
    """
    source = random.Random(number)
    name = f"people{number}"
    rows = make_rows(source, 40)
    CREATE[home](api, name, rows)
    levels = {column: source.choice(LEVELS) for column in TYPES}
    with api.deployed.connect("owner") as owner:
        owner.cursor().executemany(
            "update lakeward.dataset_column c set sensitivity = %s from lakeward.dataset d"
            " where d.id = c.dataset_id and d.name = %s and c.name = %s",
            [(level, name, column) for column, level in levels.items()],
        )
        secret = owner.execute("select hmac_inner, hmac_outer from lakeward.secret").fetchone()
    assert secret is not None
    policies = _readers(api, name, levels) | _views(api, source, name, number)
    indexes = {}
    for profile, policy in policies.items() if home == "table" else ():
        if policy.columns.get("name", Redaction("null")).action is None or policy.relation != name:
            if "name" in policy.columns and policy.relation not in indexes.values():
                indexes[profile] = api.index(policy.relation, "name", name=f"ix_{policy.relation}")
            elif "name" in policy.columns and policy.columns["name"].action is None:
                indexes[profile] = f"ix_{policy.relation}"
    gone = [row["id"] for row in source.sample(rows, 3)]
    body = {"row_key_column": "id", "row_key_values": gone}
    assert api.admin.post(f"/catalog/datasets/by-name/{name}/tombstone", json=body).json()["tombstoned"] == 3
    left = [row for row in rows if row["id"] not in gone]
    return World(
        name,
        left,
        [row for row in rows if row["id"] in gone],
        policies,
        indexes,
        Key(bytes(secret[0]), bytes(secret[1])),
        home,
    )


def _readers(api: Api, name: str, levels: dict[str, str]) -> dict[str, Policy]:
    policies = {}
    for role, (clearance, default) in CLEARANCES.items():
        profile = f"{name}-{role}"
        api.profile(profile, name, access_role=role)
        columns = {
            column: Redaction()
            if LEVELS.index(level) <= LEVELS.index(clearance)
            else default_redaction(column, default)
            for column, level in levels.items()
        }
        policies[profile] = Policy(name, columns, lambda row: True)
    return policies


def _views(api: Api, source: random.Random, name: str, number: int) -> dict[str, Policy]:
    policies = {}
    for view in range(4):
        listed = source.sample(list(TYPES), source.randrange(2, len(TYPES) + 1))
        redactions = {column: make_redaction(source, column) for column in listed}
        text, keeps = make_filter(source)
        request = {
            "name": f"view{number}_{view}",
            "base_dataset": name,
            "columns": listed,
            "row_filter": text,
            "redactions": {column: r.request() for column, r in redactions.items() if r.action},
        }
        created = api.admin.post("/catalog/views", json=request)
        assert created.status_code == 201, created.text
        profile = f"v{number}-{view}"
        api.profile(profile, request["name"], access_role=source.choice(list(CLEARANCES)))
        policies[profile] = Policy(request["name"], redactions, keeps)
    return policies


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def worlds(api: Api) -> Iterator[list[World]]:
    """All of them on one server; each is also what the others' readers must not see."""
    for role, (clearance, default) in CLEARANCES.items():
        document: dict[str, Any] = {"name": role, "clearance": clearance, "default_action": default.action}
        if default.action == "mask":
            document |= {"keep_prefix": default.prefix, "keep_suffix": default.suffix}
        answer = api.admin.post("/access/roles", json=document)
        assert answer.status_code in (200, 201), answer.text
    homes = ["table"] * WORLDS + ["bucket", "attached"] * (WORLDS // 2)
    yield [make_world(api, number, home) for number, home in enumerate(homes)]


def questions(world: World, policy: Policy) -> list[tuple[str, Answer]]:
    """What is asked, and what the policy means the answer to be."""
    shown = list(expect(policy, world.rows, world.key))
    names = list(policy.columns)
    first = names[0]
    groups: dict[Any, int] = {}
    for row in shown:
        groups[row[first]] = groups.get(row[first], 0) + 1
    asked = [
        (f"select * from {policy.relation}", Answer.of(names, [row.values() for row in shown])),
        (f"select count(*) as n from {policy.relation}", Answer.of(["n"], [[len(shown)]])),
        (
            f"select {first}, count(*) as n from {policy.relation} group by {first}",
            Answer.of([first, "n"], groups.items()),
        ),
        (
            f"select count(distinct {names[-1]}) as n from {policy.relation}",
            Answer.of(["n"], [[len({row[names[-1]] for row in shown} - {None})]]),
        ),
    ]
    texts = [name for name in names if any(isinstance(row[name], str) for row in shown)]
    for name in texts:
        value = next(row[name] for row in shown if isinstance(row[name], str))
        literal = "'" + value.replace("'", "''") + "'"
        same = sum(row[name] == value for row in shown)
        asked.append(
            (
                f"select count(*) as n from {policy.relation} where {name} = {literal}",
                Answer.of(["n"], [[same]]),
            )
        )
    return asked + raw_values(world, policy, shown) + refusals(world, policy)


def raw_values(world: World, policy: Policy, shown: list[Row]) -> list[tuple[str, Answer]]:
    """Who knows a value finds no more of it than what the reader's column says; a tombstoned row nobody finds."""
    asked = []
    for name, redaction in policy.columns.items():
        rows = [row for row in shown if isinstance(row[name], str)]
        raw = next((row[name] for row in world.rows if row[name] is not None), None)
        if redaction.action not in (None, "null") and rows and raw is not None:
            literal = str(plain_value(raw)).replace("'", "''")
            same = sum(row[name] == str(plain_value(raw)) for row in rows)
            question = f"select count(*) as n from {policy.relation} where {name} = '{literal}'"
            asked.append((question, Answer.of(["n"], [[same]])))
    if policy.columns.get("id", Redaction("null")).action is None:
        keys = ", ".join(str(row["id"]) for row in world.gone)
        question = f"select count(*) as n from {policy.relation} where id in ({keys})"
        asked.append((question, Answer.of(["n"], [[0]])))
    return asked


def refusals(world: World, policy: Policy) -> list[tuple[str, Answer]]:
    """What is not there for this reader: hidden columns in any place, and everything that is not its relation."""
    hidden = [column for column in TYPES if column not in policy.columns]
    asked = [(f"select {column} from {policy.relation}", NO_COLUMN) for column in [*hidden, "nosuch"]]
    for column in hidden[:1]:
        asked.append((f"select count(*) as n from {policy.relation} where {column} is null", NO_COLUMN))
    others = [
        f"lake.{world.name}",
        f"lake.{policy.relation}",
        "people99",
        "lakeward.tombstone",
        "lakeward.journal",
    ]
    if policy.relation != world.name:
        others.append(world.name)
    others += ["people1" if world.name == "people0" else "people0"]
    return asked + [(f"select * from {other}", NO_RELATION) for other in others]


def compare(api: Api, world: World, profile: str) -> None:
    """Every question through every door; the first that differs is an AssertionError that names both."""
    policy = world.policies[profile]
    asked = questions(world, policy)
    # a query of the analytic engine is a process of its own: all rows in every format, a sample of the rest in JSON
    sample = set(range(len(asked)) if NIGHTLY else random.Random(profile).sample(range(1, len(asked)), 4))
    with doors_of(api, profile, world.home) as doors:
        few, some = (2, 4) if world.home == "table" else (0, 1)
        for number, (question, wanted) in enumerate(asked):
            every = NIGHTLY or (number == 0 and world.name in ("people0", f"people{WORLDS}"))
            for door in doors if every else doors[: some if number in sample or not number else few]:
                found = door.ask(question)
                if not wanted.rows and not found.rows and not found.refused:
                    assert not wanted.refused, f"{door.name}, as {profile}: {question}"
                    continue  # NDJSON has no columns when it has no rows
                assert found == wanted, f"{door.name}, as {profile}: {question}"


def test_every_door_answers_what_the_policy_means(api: Api, worlds: list[World], subtests: Any) -> None:
    for world in worlds:
        for profile in world.policies:
            with subtests.test(profile):
                compare(api, world, profile)


def test_what_is_in_files_is_not_in_psql_and_not_searched(
    api: Api, worlds: list[World], subtests: Any
) -> None:
    """It is not there for whoever asks Postgres, in the words for what is not there; and an index is refused."""
    for world in worlds:
        if world.home == "table":
            continue
        refused = api.admin.post("/vectors/index", json={"source": world.name, "text_columns": ["name"]})
        assert refused.status_code in (400, 409), refused.text
        for profile, policy in world.policies.items():
            with subtests.test(profile), doors_of(api, profile) as doors:
                for door in doors[:2]:
                    said = []
                    for name in (policy.relation, "nosuch"):
                        assert door.ask(f"select * from {name}") == NO_RELATION
                        said.append(door.said.replace(name, "…"))
                    assert said[0] == said[1]


def test_what_is_hidden_is_refused_like_what_is_not_there(api: Api, worlds: list[World]) -> None:
    """In the same words, but for the name that was asked for."""
    world = worlds[0]
    for profile, policy in world.policies.items():
        pairs = [
            (f"select {column} from {policy.relation}", column)
            for column in TYPES
            if column not in policy.columns
        ][:1]
        pairs += [("select * from people1", "people1"), ("select * from lake.people1", "people1")]
        with doors_of(api, profile) as doors:
            for door in doors[:3]:
                for question, name in pairs:
                    said = []
                    for asked in (name, "nosuch"):
                        assert door.ask(question.replace(name, asked)).refused
                        said.append(re.sub(rf"\b{asked}\b", "…", door.said).split(". ")[0])
                    assert said[0] == said[1], f"{door.name}, as {profile}: {question}"


def in_json(value: Any) -> Any:
    """A value of a hit's metadata, which is JSON: exact numbers are numbers there."""
    if isinstance(value, str) and value.endswith("+00:00"):
        value = value.replace("+00:00", "Z")
    return plain_value(float(value) if isinstance(value, Decimal) else value)


def compare_search(api: Api, world: World, profile: str) -> None:
    """Search by REST and by SQL function: the relation's rows, with key, metadata and text as it shows them."""
    policy, index = world.policies[profile], world.indexes[profile]
    wanted = sorted(
        repr(
            (
                None if "id" not in row else str(row["id"]) if row["id"] is not None else None,
                {name: in_json(value) for name, value in sorted(row.items()) if name != "name"},
                row["name"],
            )
        )
        for row in expect(policy, world.rows, world.key)
        if (row["name"] or "").strip()
    )
    rest = [search_all(api, profile, index)]
    if wanted and LANCE:
        rest.append(search_by_lance(api, profile, index, len(wanted)))
    answers = [[(hit["doc_key"], hit["metadata"], hit["text"]) for hit in hits] for hits in rest]
    for hits in (*answers, search_by_function(api, profile, index) if wanted else []):
        found = sorted(
            repr((key, {name: in_json(value) for name, value in sorted(metadata.items())}, text))
            for key, metadata, text in hits
        )
        assert found == wanted, f"search, as {profile}"


def test_filters_and_contexts_show_no_other_rows(api: Api, worlds: list[World], subtests: Any) -> None:
    """A filter finds the hits whose metadata says so, masks and all; a model is shown what a search finds."""
    for world in worlds:
        for profile, index in world.indexes.items():
            with subtests.test(profile):
                everything = search_all(api, profile, index)
                shown = Counter((hit["doc_key"], hit["text"]) for hit in everything)
                context = Counter((c["doc_key"], c["text"]) for c in read_context(api, profile, index))
                assert context.total() == min(50, shown.total()) and context <= shown, "the model's context"
                for field, value in list(_values(everything))[:6]:
                    met = Counter(hit["doc_key"] for hit in everything if hit["metadata"][field] == value)
                    found = Counter(h["doc_key"] for h in search_where(api, profile, index, {field: value}))
                    assert found == met, f"{field} = {value!r}"


def _values(hits: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """One value of each column that is told as what it is: text, whole numbers, truth."""
    for field in sorted({field for hit in hits for field in hit["metadata"]}):
        values = [hit["metadata"][field] for hit in hits]
        plain = [value for value in values if isinstance(value, str | bool)]
        if plain and not any(
            isinstance(value, list | dict | int | float) for value in values if value not in plain
        ):
            yield field, plain[0]


def test_search_shows_the_rows_of_the_relation(api: Api, worlds: list[World], subtests: Any) -> None:
    for world in worlds:
        for profile in world.indexes:
            with subtests.test(profile):
                compare_search(api, world, profile)


def test_an_index_of_what_is_redacted_is_not_searched(api: Api, worlds: list[World], subtests: Any) -> None:
    for world in worlds:
        for profile, policy in world.policies.items():
            if policy.relation != world.name or policy.columns["name"].action is None:
                continue
            with subtests.test(profile), api.reader(profile) as reader:
                request = {"index": f"ix_{world.name}", "query": "x"}
                answer = reader.post(f"/vectors/profile/{profile}/search", json=request)
                assert answer.status_code in (403, 404), answer.text
                if answer.status_code == 403:
                    problem(answer, 403, "profile_not_bound")


#: A bug of each kind, as SQL of the owner's.
PLANTED = {
    "the filter is forgotten": "create or replace function lakeward.find_base(relation bigint)"
    " returns table (base_id bigint, table_name text, row_key text, condition text) language sql stable"
    " set search_path = pg_catalog, pg_temp as $$"
    " select d.id, d.name, d.row_key, 'true' from lakeward.dataset d where d.id = relation union all"
    " select d.id, d.name, d.row_key, 'true' from lakeward.safe_view_base b"
    " join lakeward.dataset d on d.id = b.base_id where b.view_id = relation $$",
    "a mask is forgotten": "create or replace function lakeward.redaction_sql(expression text, type text, action text,"
    " keep_prefix integer, keep_suffix integer) returns text language sql immutable"
    " set search_path = pg_catalog, pg_temp as $$ select expression $$",
    "a mask keeps one character more": "do $$ declare body text; begin"
    " select replace(pg_get_functiondef('lakeward.redaction_sql(text,text,text,integer,integer)'::regprocedure),"
    " 'kept[1], kept[2], kept[1] + kept[2]', 'kept[1] + 1, kept[2], kept[1] + kept[2]') into body;"
    " execute body; end $$",
    "hidden columns are listed": "do $$ declare body text; begin"
    " select replace(pg_get_functiondef('lakeward.projection_sql(bigint,text,text,integer,integer)'::regprocedure),"
    " 'where c.shown', '') into body; execute body; end $$",
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(api: Api, worlds: list[World], bug: str) -> None:
    """The suite can fail: with the bug in place some reader of the world gets another answer than the policy means."""
    world = worlds[0]
    with api.deployed.connect("owner") as owner:
        functions = ("find_base", "redaction_sql", "projection_sql")
        before = owner.execute(
            "select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = 'lakeward'::regnamespace"
            " and p.proname = any(%s)",
            [list(functions)],
        ).fetchall()
        base = owner.execute("select id from lakeward.dataset where name = %s", [world.name]).fetchone()
        assert base is not None
        try:
            owner.execute(PLANTED[bug].encode())
            owner.execute("select lakeward.install_readers(%s)", base)
            with pytest.raises(AssertionError):
                for profile in sorted(world.policies, reverse=True):
                    compare(api, world, profile)
        finally:
            for (definition,) in before:
                owner.execute(definition.encode())
            owner.execute("select lakeward.install_readers(%s)", base)
    for profile in list(world.policies)[:2]:
        compare(api, world, profile)


#: What a reader's hits could show beside its relation, as an edit of lakeward.install_index_reader.
PLANTED_IN_SEARCH = {
    "the raw key of a masked one": (
        "format('s.%I::text', x.name) from",
        "'c.row_key::text' from",
    ),
    "metadata without the clearance": (
        "target.relation_id, target.clearance, target.default_action",
        "target.relation_id, 'restricted', target.default_action",
    ),
}


@pytest.mark.parametrize("bug", PLANTED_IN_SEARCH)
def test_a_planted_bug_in_search_is_found(api: Api, worlds: list[World], bug: str) -> None:
    """The search questions can fail, too: each bug is of this one door, and every other is as it should be."""
    right, wrong = PLANTED_IN_SEARCH[bug]
    with api.deployed.connect("owner") as owner:
        before: Any = owner.execute(
            "select pg_get_functiondef('lakeward.install_index_reader(bigint,bigint)'::regprocedure)"
        ).fetchone()
        planted = before[0].replace(right, wrong)
        assert planted != before[0]
        try:
            owner.execute(planted.encode())
            owner.execute(
                "select lakeward.install_index_reader(index_id, binding_id) from lakeward.index_reader"
            )
            with pytest.raises(AssertionError, match="search, as"):
                for world in worlds:
                    for profile in world.indexes:
                        compare_search(api, world, profile)
        finally:
            owner.execute(before[0].encode())
            owner.execute(
                "select lakeward.install_index_reader(index_id, binding_id) from lakeward.index_reader"
            )
