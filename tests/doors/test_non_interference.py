"""Non-interference: change only what a reader may not see, and every answer it gets stays the same, byte by byte.

A reader is asked everything it can ask, through REST and in its own psql; then the admin and the owner change, at
random, what this reader's relation hides: values of hidden columns and of those above its clearance, rows that the
filter keeps out, the middles of masked values, other profiles, keys, roles, datasets and views, reasons of tombstones,
the journal's seals. The same questions must have the same answers. Changes are drawn by seed, not by hypothesis: the
server lives on, so an example is a step of a walk and cannot be shrunk.

What is of the request itself is taken out of an answer: `NOISE`, and some headers. What is known to move, and why that
is no leak:

- the order of rows where nobody asked for one is that of the heap: every question here has an ORDER BY or finds one row
- Postgres' own statistics (pg_class.reltuples, pg_stat_*, sizes, plans of EXPLAIN) are estimates over all rows: not
  asked
- journal entries, tombstones and chunks are numbered over all of them: what a reader gets *next* tells how much
  happened meanwhile, what it has got keeps its number
- a row whose key is changed is another row to its index (its chunks go), also for whom the key is masked
- the name of an index is told to whoever guesses it (403 instead of 404, with the relations it may use instead)
- whether the service is ready is everybody's to know
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from psycopg import sql

from tests.integration.api.conftest import Api, api
from tests.integration.security.conftest import session_as

__all__ = ["api"]

CASES = 2_000 if os.environ.get("LAKEWARD_HYPOTHESIS") == "nightly" else 200
CHANGES = 6
#: The quick questions are asked after this many cases, all of them after that many.
LOOK_EVERY = 17
WHOLE_EVERY = 170
pytestmark = pytest.mark.timeout(3_600)

NOISE = [
    (re.compile(r'"(duration_ms)":[0-9.e+-]+'), r'"\1":0'),
    (re.compile(r'"(request_id|instance)":"[^"]*"'), r'"\1":""'),
]
COLUMNS = {
    "id": ("bigint", "internal"),
    "name": ("text", "public"),
    "bio": ("text", "public"),
    "team": ("text", "internal"),
    "active": ("boolean", "public"),
    "mail": ("text", "confidential"),
    "phone": ("text", "confidential"),
    "city": ("text", "internal"),
    "born": ("date", "confidential"),
    "pay": ("bigint", "restricted"),
    "score": ("double precision", "restricted"),
}
VIEW = {
    "name": "shown",
    "base_dataset": "people",
    "columns": ["id", "name", "bio", "mail", "phone", "city", "born"],
    "row_filter": "active and team in ('red', 'blue')",
    "redactions": {
        "id": {"action": "mask", "keep_prefix": 1, "keep_suffix": 1},
        "mail": {"action": "mask", "keep_prefix": 1, "keep_suffix": 1},
        "phone": {"action": "null"},
        "city": {"action": "hash"},
        "born": {"action": "truncate_to_year"},
    },
}
SHOWN_ROW = "active and team in ('red', 'blue')"
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"]


class Reader(msgspec.Struct):
    """One reader with its open doors, and what it was last told."""

    profile: str
    relation: str
    index: str
    client: httpx.Client
    person: psycopg.Connection[Any]


class World(msgspec.Struct, frozen=True):
    """The API, the owner's session and the readers, by profile."""

    api: Api
    owner: psycopg.Connection[Any]
    readers: dict[str, Reader]
    stack: ExitStack

    def sit_down(self, profile: str) -> Reader:
        """The reader with a session in psql: a change of its view ended the one before."""
        reader = self.readers[profile]
        try:
            reader.person.execute("select")
        except psycopg.OperationalError:
            reader.person = self.stack.enter_context(session_as(self.api.deployed, profile))
        return reader


Change = Callable[[World, random.Random], Any]


@pytest.fixture(scope="module")
def world(api: Api) -> Iterator[World]:
    """60 people, their readers by clearance and by view, somebody else's world beside it, and a past."""
    source = random.Random("non-interference")
    columns = [{"name": name, "type": kind} for name, (kind, _) in COLUMNS.items()]
    document = {"name": "people", "row_key": "id", "columns": columns}
    assert api.admin.post("/catalog/datasets", json=document).status_code == 201
    levels = {"columns": {name: {"sensitivity": level} for name, (_, level) in COLUMNS.items()}}
    assert api.admin.patch("/catalog/datasets/by-name/people/metadata", json=levels).status_code == 200
    for role, clearance, action in (
        ("masking", "internal", "mask"),
        ("hashing", "internal", "hash"),
        ("keyless", "public", "null"),
    ):
        kept = {"keep_prefix": 1, "keep_suffix": 1} if action == "mask" else {}
        request = {"name": role, "clearance": clearance, "default_action": action, **kept}
        assert api.admin.post("/access/roles", json=request).status_code == 201
    assert api.ingest("orders", "id,amount\n1,5\n2,7\n", "orders.csv", row_key="id").status_code == 201
    with ExitStack() as stack:
        owner = stack.enter_context(api.deployed.connect("owner"))
        for number in range(100, 160):
            insert_person(owner, source, number)
        assert api.admin.post("/catalog/views", json=VIEW).status_code == 201
        api.index("people", "name", "bio", name="people_v1")
        api.index("shown", "name", "bio", "mail", name="shown_v1")
        api.profile("other", "orders")
        for role in ("masking", "hashing", "keyless"):
            api.profile(role, "people", access_role=role)
        api.profile("viewer", "shown")
        owner.execute("update lake.people set name = name || ' II' where id in (101, 102)")
        gone = {"row_key_column": "id", "row_key_values": [150, 151], "reason": "first reason"}
        path = "/catalog/datasets/by-name/people/tombstone"
        assert api.admin.post(path, json=gone).json()["tombstoned"] == 2
        api.index("people", "name", "bio", name="people_v1")
        readers = {
            profile: Reader(
                profile,
                "shown" if profile == "viewer" else "people",
                "shown_v1" if profile == "viewer" else "people_v1",
                stack.enter_context(api.reader(profile)),
                stack.enter_context(session_as(api.deployed, profile)),
            )
            for profile in ("masking", "hashing", "keyless", "viewer")
        }
        yield World(api, owner, readers, stack)


def text(source: random.Random, length: int) -> str:
    """Lower-case letters."""
    return "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=length))


def insert_person(
    owner: psycopg.Connection[Any], source: random.Random, number: int, *, shown: bool = True
) -> None:
    """One more row; with `shown=False` one that the view's filter keeps out."""
    row = {
        "id": number,
        "name": f"{source.choice(WORDS)} {number}",
        "bio": " ".join(source.sample(WORDS, 4)) + f" {number}",
        "team": source.choice(["red", "blue", "green", None]) if shown else "green",
        "active": source.random() < 0.8,
        "mail": f"{text(source, 8)}@example.org",
        "phone": text(source, 9),
        "city": source.choice(WORDS),
        "born": date(source.randrange(1950, 1999), source.randrange(1, 13), source.randrange(1, 29)),
        "pay": source.randrange(1000, 9999),
        "score": source.random(),
    }
    statement = sql.SQL("insert into lake.people values ({})").format(
        sql.SQL(", ").join(sql.Placeholder() * len(row))
    )
    owner.execute(statement, list(row.values()))


# --- what a reader can ask


def rest_questions(reader: Reader) -> list[tuple[str, str, Any]]:
    """Method, path and body of each question that is quick to answer."""
    profile, index = reader.profile, reader.index
    other = "people_v1" if index == "shown_v1" else "shown_v1"
    search = f"/vectors/profile/{profile}/search"
    asked: list[tuple[str, str, Any]] = [
        ("POST", search, {"index": index, "query": "amber cedar", "k": 1000}),
        ("POST", search, {"index": index, "query": "fjord", "k": 3}),
        *(("POST", search, {"index": name, "query": "fjord"}) for name in (other, "nothing_v1")),
        ("POST", search, {"index": index, "query": ""}),
        ("POST", search, {"index": index, "vector": [1.0]}),
        ("POST", "/vectors/profile/other/search", {"index": index, "query": "x"}),
        ("POST", "/catalog/views", VIEW),
        (
            "POST",
            "/catalog/datasets/by-name/people/tombstone",
            {"row_key_column": "id", "row_key_values": [101]},
        ),
        ("POST", "/query/sql", {"sql": ""}),
    ]
    paths = ["/whoami", "/journal/stats", "/access/audit", "/access/keys", "/access/roles", "/access/users"]
    paths += ["/vectors/jobs", "/journal/verify"]
    paths += [f"/access/roles/{name}" for name in ("masking", "keyless", "reader", "agent")]
    paths += [
        "/catalog/datasets",
        "/catalog/views",
        "/catalog/profiles",
        "/vectors/indexes",
        "/journal/recent",
    ]
    for name in ("people", "shown", "orders", "nothing"):
        paths += [f"/catalog/datasets/by-name/{name}", f"/catalog/views/{name}"]
        paths += [f"/catalog/datasets/by-name/{name}/tombstone", f"/journal/recent?dataset={name}"]
        paths += [
            f"/journal/history/{entity}?dataset={name}" for entity in ("101", "102", "1*1", "150", "999")
        ]
    for name in (profile, "other", "nobody"):
        paths += [f"/catalog/profiles/{name}", f"/catalog/profiles/{name}/explain"]
    paths += [f"/vectors/indexes/{name}" for name in (index, other, "nothing_v1")]
    return asked + [("GET", path, None) for path in paths]


def engine_questions(reader: Reader) -> list[str]:
    """What is asked of the analytic engine, a process of its own each time."""
    relation = reader.relation
    return [
        f"select * from {relation} order by name, bio",
        f"select count(*) as n, count(mail) as m, min(born) as b, count(distinct city) as c from {relation}",
        f"select cast(mail as bigint) as n from {relation} where bio like '% 101'",
        f"select pay, nothing from {relation}",
        "select * from lake.people",
        f"select * from {'shown' if relation == 'people' else 'people'}",
    ]


def session_questions(reader: Reader) -> list[str]:
    """What a person asks in psql."""
    relation, index = reader.relation, reader.index
    own = f"p_{reader.profile}.{relation}"
    catalog = [
        *(
            "deployment",
            "relation",
            "dataset",
            "dataset_column",
            "profile",
            "binding",
            "vector_index",
            "index_variant",
        ),
        *("access_role", "safe_view", "shown_column", "index_reader", "tombstone_entry", "journal_entry"),
        *("tombstone", "journal", "audit_entry", "secret", "api_key", "job", "safe_view_base", "erasure"),
    ]
    return [
        f"select t::text from {own} t order by 1",
        f"select count(*), count(mail), min(born), max(mail) from {own}",
        f"select name, mail::bigint from {own} where bio like '% 101'",
        f"select row_number() over (order by name), 1 / (length(mail) - 20) from {own} order by name",
        f"select pay, nothing from {own}",
        "select * from lake.people",
        "select * from lake.shown",
        *(f'select t::text collate "C" from lakeward.{name} t order by 1' for name in catalog),
        "select t::text from lakeward.whoami() t",
        *(f"select t::text from lakeward.history('{relation}', '{key}') t" for key in (101, 150, 999)),
        *(
            f"select chunk_id, chunk_no, embedding::text from vec.{name} order by 1"
            for name in ("people_v1", "shown_v1")
        ),
        *(f"select t::text from vec.{name}_text t order by 1" for name in ("people_v1", "shown_v1")),
        f"select seq from vec.{index}_pending order by 1",
        f"select t::text from lakeward.search('{index}', (select array_fill(0.1::real, array[dimensions])"
        f" from lakeward.vector_index where name = '{index}'), 1000) t order by 1",
        f"select t::text from lakeward.similar('{index}', '101', 20) t order by 1",
        "select t::text from lakeward.search('nothing', '{{1}}', 3) t".replace("{{", "{").replace("}}", "}"),
        "select t::text from lakeward.tombstone('people', '{101}', '') t",
        "select table_schema, table_name, privilege_type from information_schema.role_table_grants"
        " where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2, 3",
    ]


def observe(reader: Reader, *, whole: bool = False) -> dict[str, str]:
    """Every question with its answer, without what is of the request itself."""
    found = {}
    asked = rest_questions(reader)
    if whole:
        asked += [("POST", "/query/sql", {"sql": question}) for question in engine_questions(reader)]
    for method, path, body in asked:
        answer = reader.client.request(method, path, json=body)
        shown = answer.text
        for pattern, plain in NOISE:
            shown = pattern.sub(plain, shown)
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("date", "content-length", "x-request-id")
        }
        found[f"{method} {path} {json.dumps(body) if body else ''}"] = (
            f"{answer.status_code} {headers} {shown}"
        )
    for question in session_questions(reader):
        try:
            found[question] = repr(reader.person.execute(question.encode()).fetchall())
        except psycopg.Error as exc:
            found[question] = f"{exc.sqlstate} {exc}"
    return found


# --- what is changed, and from whom it is hidden


def on_rows(assignment: str, condition: str = "true") -> Change:
    """An UPDATE of some random rows of the people."""

    def change(world: World, source: random.Random) -> None:
        rows = f"({condition}) and id % 7 = {source.randrange(7)}"
        world.owner.execute(f"update lake.people set {assignment} where {rows}".encode())

    return change


def middles(column: str) -> str:
    """Another text of the same length with the same first and last character."""
    return (
        f"{column} = left({column}, 1) || left(md5(random()::text) || md5(random()::text), length({column}) - 2)"
        f" || right({column}, 1)"
    )


HIDDEN_ROW = f"({SHOWN_ROW}) is not true"
SAME_YEAR = "born = date_trunc('year', born)::date + (random() * 360)::int"
#: Dates with the same first and last character.
SAME_ENDS = "born = make_date(1900 + (random() * 99)::int, 7, 10 + extract(day from born)::int % 10)"


def insert_hidden(world: World, source: random.Random) -> None:
    insert_person(world.owner, source, source.randrange(1_000, 10**9), shown=False)


def tombstone_hidden(world: World, source: random.Random) -> None:
    keys = world.owner.execute(
        f"select id from lake.people where {HIDDEN_ROW} and id > 999 limit 1"
    ).fetchall()
    body = {
        "row_key_column": "id",
        "row_key_values": [key for (key,) in keys] or [1],
        "reason": text(source, 20),
    }
    path = "/catalog/datasets/by-name/people/tombstone"
    answer = world.api.admin.post(path, json=body)
    assert answer.status_code == 200, answer.text
    if source.random() < 0.5:
        assert world.api.admin.post(
            f"{path}/undo", json={k: body[k] for k in ("row_key_column", "row_key_values")}
        )


def change_reason(world: World, source: random.Random) -> None:
    world.owner.execute(
        "update lakeward.tombstone set reason = %s, actor = %s", [text(source, 9), text(source, 5)]
    )


def change_other_profile(world: World, source: random.Random) -> None:
    bound = source.choice([["orders"], ["orders", "people"], []])
    world.api.profile(
        "other", *bound, description=text(source, 30), access_role=source.choice(["masking", "keyless"])
    )


def come_and_go(world: World, source: random.Random) -> None:
    name = text(source, 8)
    world.api.profile(name, "people", "orders")
    with world.api.reader(name) as reader:
        reader.get("/whoami")
    assert world.api.admin.delete(f"/catalog/profiles/{name}").status_code == 200


def change_orders(world: World, source: random.Random) -> None:
    body = {"description": text(source, 12), "owner": text(source, 5), "tags": [text(source, 4)]}
    assert world.api.admin.patch("/catalog/datasets/by-name/orders/metadata", json=body).status_code == 200
    world.owner.execute("insert into lake.orders values (%s, 1)", [source.randrange(10, 10**9)])


def change_other_role(world: World, source: random.Random) -> None:
    role = {
        "name": "elsewhere",
        "clearance": source.choice(["public", "restricted"]),
        "default_action": "null",
    }
    answer = world.api.admin.post("/access/roles", json={**role, "description": text(source, 9)})
    assert answer.status_code in (200, 201), answer.text


def change_other_view(world: World, source: random.Random) -> None:
    filters = {"row_filter": f"name <> '{text(source, 5)}'", "description": text(source, 9)}
    view = {"name": "aside", "base_dataset": "people", "columns": ["id", "name", "pay"], **filters}
    assert world.api.admin.post("/catalog/views", json=view).status_code in (200, 201)


def change_base(world: World, source: random.Random) -> None:
    body = {"description": text(source, 9), "owner": text(source, 4), "tags": [text(source, 4)]}
    levels = {
        name: {"sensitivity": source.choice(["confidential", "restricted"])} for name in ("pay", "score")
    }
    assert world.api.admin.patch(
        "/catalog/datasets/by-name/people/metadata", json={**body, "columns": levels}
    )


def flush(world: World, source: random.Random) -> None:
    assert world.api.admin.post("/journal/flush").status_code == 200


def embed_people(world: World, source: random.Random) -> None:
    world.api.index("people", "name", "bio", name="people_v1")


def embed_shown(world: World, source: random.Random) -> None:
    world.api.index("shown", "name", "bio", "mail", name="shown_v1")


ELSEWHERE: list[Change] = [
    change_other_profile,
    come_and_go,
    change_orders,
    change_other_role,
    change_other_view,
    change_reason,
    flush,
]
RESTRICTED, MIDDLES = on_rows("score = random()"), on_rows(middles("mail"))
CHANGES_OF: dict[str, list[Change]] = {
    "masking": [
        *[on_rows(middles("mail")), on_rows(middles("phone")), on_rows(SAME_ENDS), RESTRICTED] * 4,
        on_rows("pay = pay / 1000 * 1000 + (random() * 99)::int * 10 + pay % 10"),
        *ELSEWHERE,
        embed_shown,
    ],
    "hashing": [*[RESTRICTED] * 10, *ELSEWHERE],
    "keyless": [
        *[on_rows(f"{column} = left(md5(random()::text), 1 + (random() * 30)::int)")
          for column in ("mail", "phone", "city", "team")],
        *[on_rows("born = null"), on_rows("born = '1970-01-01'"), on_rows("pay = random() * 10000"), *[RESTRICTED] * 6],
        *ELSEWHERE,
    ],
    "viewer": [
        *[on_rows("pay = random() * 10000"), on_rows("score = null"), on_rows(SAME_YEAR)] * 2,
        *[on_rows("phone = md5(random()::text)")] * 2,
        *[on_rows("name = md5(random()::text), bio = mail, mail = md5(random()::text), city = null", HIDDEN_ROW)] * 3,
        *[on_rows("team = 'green', active = random() < 0.5", HIDDEN_ROW), on_rows(middles("mail"), HIDDEN_ROW)],
        *[insert_hidden, insert_hidden, tombstone_hidden, tombstone_hidden],
        lambda world, source: world.owner.execute(f"delete from lake.people where {HIDDEN_ROW} and id % 50 = 3"),
        *[*ELSEWHERE, change_base, embed_people],
    ],
}  # fmt: skip


def differences(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    """Question, answer before, answer after, each from a little before where they differ."""
    found = []
    for question in after:
        one, other = before[question], after[question]
        if one != other:
            same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
            start = max(same - 60, 0)
            found.append((question, one[start : start + 200], other[start : start + 200]))
    return found


def walk(world: World, profile: str, seeds: range, *, only: Change | None = None) -> list[Any]:
    """The answers that differ after some steps: the steps since they were asked before, the question, both answers."""
    reader = world.sit_down(profile)
    before = observe(reader, whole=only is None)
    for first in seeds[::LOOK_EVERY]:
        steps = range(first, min(first + LOOK_EVERY, seeds.stop))
        for step in steps:
            source = random.Random(f"{profile} {step}")
            for change in source.choices([only] if only else CHANGES_OF[profile], k=CHANGES):
                change(world, source)
        after = observe(reader, whole=only is None and (steps.stop == seeds.stop or first % WHOLE_EVERY == 0))
        if differing := differences(before, after):
            return [(steps, *item) for item in differing]
    return []


@pytest.mark.parametrize("profile", CHANGES_OF)
def test_what_is_hidden_changes_no_answer(world: World, profile: str) -> None:
    world.owner.execute("select setseed(0.5)")
    assert walk(world, profile, range(CASES // len(CHANGES_OF))) == []


REDACTION, PROJECTION = (
    "redaction_sql(text,text,text,integer,integer)",
    "projection_sql(bigint,text,text,integer,integer)",
)


def some(bugs: Iterable[str]) -> list[Any]:
    """The first as it is, the others marked slow: one shows that what looks for them can fail."""
    first, *others = bugs
    return [first, *(pytest.param(bug, marks=pytest.mark.slow) for bug in others)]


#: A bug of each kind: who is to notice it after which change, and where it is, which is a text in a function,
#: or a policy that lets all through.
PLANTED: dict[str, tuple[str, Change, str, str, str | None]] = {
    "a mask is forgotten": ("masking", MIDDLES, REDACTION, "coalesce(action, 'none')", "'none'"),
    "the filter is forgotten": (
        "viewer",
        insert_hidden,
        "find_base(bigint)",
        "b.filter_tree is null",
        "true",
    ),
    "hidden columns are listed": ("viewer", RESTRICTED, PROJECTION, "where c.shown", "where true"),
    "any update makes the dataset stale": ("masking", RESTRICTED, "track_rows()", "waiting > 0", "true"),
    "other readers' bindings are shown": ("keyless", change_other_profile, "binding", "own_part", None),
    "the table of tombstones is shown": ("masking", change_reason, "tombstone", "steward_writes", None),
}


@contextmanager
def planted(owner: psycopg.Connection[Any], place: str, old: str, new: str | None) -> Iterator[None]:
    """The bug, while it lasts."""
    before: Any
    if new is not None:
        before = owner.execute(
            "select pg_get_functiondef(%s::regprocedure)", [f"lakeward.{place}"]
        ).fetchone()
        plant, restore = before[0].replace(old, new), before[0]
    else:
        query = "select qual from pg_policies where schemaname = 'lakeward' and tablename = %s and policyname = %s"
        before = owner.execute(query, [place, old]).fetchone()
        policy = f"alter policy {old} on lakeward.{place} using"
        plant = f"{policy} (true); grant select on lakeward.{place} to public"
        keep = "" if place in ("binding", "profile") else f"; revoke select on lakeward.{place} from public"
        restore = f"{policy} ({before[0]}){keep}"
    assert plant != restore
    people = owner.execute("select id from lakeward.dataset where name = 'people'").fetchone()
    try:
        owner.execute(plant.encode())
        # or views that would be the same are left as they are, with what hangs on them
        owner.execute("update lakeward.binding set made_of = null")
        owner.execute("select lakeward.install_readers(%s)", people)
        yield
    finally:
        owner.execute(restore.encode())
        owner.execute("update lakeward.binding set made_of = null")
        owner.execute("select lakeward.install_readers(%s)", people)


@pytest.mark.parametrize("bug", some(PLANTED))
def test_a_planted_bug_is_found(world: World, bug: str) -> None:
    profile, change, *what = PLANTED[bug]
    first = 10_000 * (1 + list(PLANTED).index(bug))
    with planted(world.owner, *what):
        assert walk(world, profile, range(first, first + 3), only=change) != []
    world.api.index("people", "name", "bio", name="people_v1")
    world.api.index("shown", "name", "bio", "mail", name="shown_v1")
