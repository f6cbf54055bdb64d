"""Side doors: secrets are planted in all that a reader may not see, and searched for in everything it can be told.

Asked is every GET of the OpenAPI document, with names that the reader knows and names that it guesses, SQL, search,
wrong requests, and in psql every relation and every function that it may use. An answer counts with its headers; one
that only repeats what was asked does not. `EXEMPT` lists what is told all the same, each with its reason.
"""

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import psycopg
import pytest
from psycopg import sql

from tests.doors.test_non_interference import PROJECTION, REDACTION, planted, some
from tests.integration.api.conftest import Api, api
from tests.integration.security.conftest import session_as

__all__ = ["api"]

pytestmark = pytest.mark.timeout(900)

#: What is planted; every one is a word of its own, never a part of another.
SECRETS = {
    "zqrawkey": "the key of a row whose key is masked",
    "zqmiddle": "the middle of a masked value",
    "zqhiddencolumn": "a column above the clearance, which the view does not list",
    "zqhiddenkey": "the key of a row that the filter hides",
    "zqhiddenrow": "a row that the filter hides",
    "zqfilter": "the literal of the row filter",
    "zqgonekey": "the key of a tombstoned row",
    "zqimage": "the row of a tombstone",
    "zqreason": "the reason of a tombstone",
    "zqoldvalue": "a value that was in a hidden column",
    "zqrejected": "a row that was not loaded",
    "zqfilename": "the file that the dataset came from",
    "zqjobargs": "what a job was asked",
    "zqjoberror": "what went wrong in a job",
    "zqotherprofile": "another profile",
    "zqotherdescription": "another profile's description",
    "zqkeyname": "an API key's name",
    "zqroledescription": "another access role's description",
    "zqlogin": "a person's login",
    "zqdescription": "the description of a dataset",
    "zqevalset": "an eval set",
    "zqevalquestion": "a question of it",
    "zqgate": "what an index's version was judged by",
}
#: What the reader of the dataset itself is shown, rightly: it is bound to the dataset as it is, with its low clearance.
SHOWN_RAW = {"zqhiddenrow", "zqfilename", "zqdescription"}
FILE = """k,name,mail,note,team,n
AzqrawkeyB,amber,mzqmiddlem,zqhiddencolumnx,red,1
CzqhiddenkeyD,zqhiddenrow,xzqmiddlex,yzqhiddencolumny,zqfilter,2
EzqgonekeyF,zqimage,yzqmiddley,zqhiddencolumnz,red,3
GotherkeyH,birch,hzqmiddleh,zzqoldvaluez,blue,4
"""
VIEW = {
    "name": "people_safe",
    "base_dataset": "people",
    "columns": ["k", "name", "mail"],
    "row_filter": "team <> 'zqfilter'",
    "redactions": {name: {"action": "mask", "keep_prefix": 1, "keep_suffix": 1} for name in ("k", "mail")},
}

#: Where (in psql: the relation or function) which secrets are told, and why that is accepted.
EXEMPT: list[tuple[str, set[str], str]] = [
    (
        r"pg_catalog\.|information_schema\.",
        {"zqlogin", "zqotherprofile"},
        "Postgres shows every login the names of roles, and the schemas and roles of profiles are named after them",
    ),
    (
        r"pg_catalog\.(pg_views|pg_rewrite|pg_rules)|pg_get_viewdef|^explain",
        {"zqfilter"},
        "Postgres shows every session how a view is defined, literals included; see the test that is expected to fail",
    ),
]


class Reader(msgspec.Struct, frozen=True):
    """A reader, its two doors, and the words it may meet."""

    profile: str
    client: httpx.Client
    person: psycopg.Connection[Any]
    secrets: frozenset[str]


def ok(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def world(api: Api) -> Api:
    """The world with all secrets in it."""
    loaded = ok(api.ingest("people", FILE, "zqfilename.csv", row_key="k"))
    assert loaded["rows"] == 4, loaded
    levels = {name: {"sensitivity": "confidential"} for name in ("k", "mail", "note", "team", "n")}
    levels["name"] = {"sensitivity": "public"}
    described = {"description": "zqdescription", "columns": levels}
    ok(api.admin.patch("/catalog/datasets/by-name/people/metadata", json=described))
    ok(api.ingest("orders", "id,amount\n1,5\n", "orders.csv", row_key="id"))
    low = {"name": "low", "clearance": "public", "default_action": "mask", "keep_prefix": 1, "keep_suffix": 1}
    ok(api.admin.post("/access/roles", json=low))
    elsewhere = {"name": "elsewhere", "clearance": "public", "default_action": "null"}
    ok(api.admin.post("/access/roles", json={**elsewhere, "description": "zqroledescription"}))
    ok(api.admin.post("/catalog/views", json=VIEW))
    api.index("people_safe", "name", "mail", name="safe_v1")
    api.index("people", "name", name="raw_v1")
    api.index("people", "note", name="note_v1")
    asked = {"name": "zqevalset", "index": "raw_v1", "queries": [{"text": "zqevalquestion"}]}
    ok(api.admin.post("/vectors/hnsw/evals", json=asked))
    api.profile("viewer", "people_safe", access_role="low")
    api.profile("raw", "people", access_role="low")
    api.profile("zqotherprofile", "orders", description="zqotherdescription", access_role="elsewhere")
    key = {"name": "zqkeyname", "kind": "reader", "profile": "viewer"}
    ok(api.admin.post("/access/keys", json=key))
    ok(api.admin.post("/access/users", json={"name": "zqlogin", "profile": "zqotherprofile"}))
    gone = {"row_key_column": "k", "row_key_values": ["EzqgonekeyF"], "reason": "zqreason"}
    ok(api.admin.post("/catalog/datasets/by-name/people/tombstone", json=gone))
    with api.deployed.connect("owner") as owner:
        owner.execute("update lake.people set note = 'changed' where k = 'GotherkeyH'")
        file = owner.execute(
            "select id from lakeward.dataset_file where filename = 'zqfilename.csv'"
        ).fetchone()
        owner.execute(
            "insert into lakeward.rejected_row (file_id, line, reason, raw) values (%s, 9, 'zqrejected', 'zqrejected')",
            file,
        )
        owner.execute(
            "insert into lakeward.index_gate select id, %s from lakeward.vector_index",
            [json.dumps({"quality": {"eval": "zqgate"}})],
        )
        owner.execute(
            'update lakeward.job set args = args || \'{"x": "zqjobargs"}\', error = \'{"detail": "zqjoberror"}\''
        )
        owner.execute("analyze")
    return api


@contextmanager
def reading(api: Api, profile: str) -> Iterator[Reader]:
    secrets = frozenset(SECRETS) - (SHOWN_RAW if profile == "raw" else set())
    with api.reader(profile) as client, session_as(api.deployed, profile) as person:
        yield Reader(profile, client, person, secrets)


# --- what is asked

NAMES = [
    "people",
    "people_safe",
    "orders",
    "safe_v1",
    "raw_v1",
    "note_v1",
    "low",
    "elsewhere",
    "viewer",
    "raw",
    "nothing",
]
#: For parameters of which nothing is known here.
UNKNOWN = ["1", "people", "00000000-0000-0000-0000-000000000001"]
KEYS = ["A********B", "AzqrawkeyB", "C***********D", "EzqgonekeyF", "GotherkeyH", "1", ""]


def guesses(api: Api) -> dict[str, list[str]]:
    """Values for the parameters of paths and queries: ids that exist, though the reader cannot know them."""
    jobs = [job["id"] for job in api.admin.get("/vectors/jobs").json()["items"][:3]]
    keys = [key["id"] for key in api.admin.get("/access/keys").json()["items"][:3]]
    return {
        "job_id": jobs,
        "key_id": keys,
        "entity": KEYS,
        "profile_id": ["viewer", "raw", "zqotherprofile", "nobody"],
        "name": [*NAMES, "zqlogin"],
        "dataset": ["people", "people_safe", "orders"],
        "kind": ["insert", "update", "tombstone"],
        "profile": ["viewer", "zqotherprofile"],
        "source": ["people", "people_safe"],
        "limit": ["1", "200", "-1"],
        "cursor": ["x"],
    }


def list_gets(api: Api) -> list[str]:
    """Every GET of the document, each with every value we have for its parameters, and the document itself."""
    document = api.admin.get("/schema/openapi.json").json()
    values = guesses(api)
    paths = ["/schema/openapi.json", "/metrics", "/nothing"]
    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        parameters = operations["get"].get("parameters", [])
        inside = [p["name"] for p in parameters if p["in"] == "path"]
        asked = [p["name"] for p in parameters if p["in"] == "query" and p["name"] in values]
        for chosen in itertools.product(*(values.get(name, UNKNOWN) for name in inside)):
            filled = path
            for name, value in zip(inside, chosen, strict=True):
                filled = filled.replace("{" + name + "}", quote(value, safe=""))
            paths.append(filled)
            paths += [f"{filled}?{name}={quote(value)}" for name in asked for value in values[name]]
    return paths


def list_posts(profile: str) -> list[tuple[str, Any]]:
    """Searches, SQL and wrong requests."""
    own = f"/vectors/profile/{profile}/search"
    posts: list[tuple[str, Any]] = [
        (own, {"index": index, "query": "amber", "k": 1000})
        for index in ("safe_v1", "raw_v1", "note_v1", "nothing")
    ]
    posts += [
        (own, {"index": "safe_v1", "query": "amber", "filter": {"note": "x"}}),
        (own, {"index": "x", "k": -1}),
    ]
    posts += [("/vectors/profile/zqotherprofile/search", {"index": "raw_v1", "query": "amber"})]
    tables = [
        "people",
        "people_safe",
        "orders",
        "lake.people",
        "lakeward.tombstone",
        "information_schema.tables",
    ]
    posts += [("/query/sql", {"sql": f"select * from {table}"}) for table in tables]
    for table in ("people", "people_safe"):
        for column in ("k", "mail", "note", "team"):
            posts += [
                ("/query/sql", {"sql": f"select cast({column} as bigint) from {table}"}),
                ("/query/sql", {"sql": f"select {column}, count(*) from {table} group by {column}"}),
            ]
        posts.append(("/query/sql", {"sql": f"explain select * from {table}"}))
    posts += [
        ("/catalog/views", {**VIEW, "row_filter": "nothing = 1"}),
        ("/access/keys", {"name": "x", "kind": "admin"}),
    ]
    for name in ("people", "people_safe", "orders"):
        path = f"/catalog/datasets/by-name/{name}/tombstone"
        for key_column in ("k", "note"):
            posts.append((path, {"row_key_column": key_column, "row_key_values": ["x"], "reason": ""}))
        posts.append((f"{path}/undo", {"row_key_column": "k", "row_key_values": ["x"]}))
    posts += [("/vectors/index", {"source": "people", "text_columns": ["note"]}), ("/journal/flush", {})]
    posts += [(f"/catalog/profiles/{profile}/diff", {}), (f"/vectors/profile/{profile}/activate", {})]
    return posts


RELATIONS = """
select n.nspname, c.relname, array_agg(a.attname::text order by a.attnum)
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where c.relkind in ('r', 'v', 'm', 'p', 'f') and a.attnum > 0 and not a.attisdropped
  and has_schema_privilege(n.oid, 'usage') and has_column_privilege(c.oid, a.attnum, 'select')
group by 1, 2 order by 1, 2
"""
FUNCTIONS = """
select n.nspname, p.proname,
  array(select t::regtype::text from unnest(p.proargtypes) with ordinality x (t, o) order by o)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname not in ('pg_catalog', 'information_schema', 'ext') and p.prorettype <> 'trigger'::regtype
  and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute') and p.prokind = 'f'
order by 1, 2
"""
#: Functions of Postgres' own that show what something is made of, over all there is.
DEFINITIONS = [
    "select pg_get_viewdef(c.oid) from pg_class c where c.relkind = 'v'",
    "select pg_get_functiondef(p.oid) from pg_proc p where p.prokind = 'f' and p.pronamespace > 16000",
    "select pg_get_triggerdef(t.oid) from pg_trigger t",
    "select pg_get_indexdef(i.indexrelid) from pg_index i",
    "select pg_get_constraintdef(c.oid) from pg_constraint c",
    "select obj_description(c.oid), shobj_description(c.relowner, 'pg_authid') from pg_class c",
    "show all",
]


def list_calls(person: psycopg.Connection[Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Each function that is open to the caller with harmless arguments: its name, a statement, the arguments."""
    values: dict[str, list[Any]] = {
        "text": ["people", "people_safe", "safe_v1", "note_v1", "GotherkeyH", "A********B", "nothing"],
        "text[]": [["x"]],
        "bigint[]": [[1, 2], None],
        "real[]": [[0.5] * 3],
        "jsonb": ["{}"],
        "boolean": [True],
    }
    for schema, name, types in person.execute(FUNCTIONS).fetchall():
        chosen = [values.get(kind, ["1"]) for kind in types]
        for arguments in itertools.islice(itertools.product(*chosen), 30):
            places = ", ".join(f"%s::{kind}" for kind in types)
            yield f"{schema}.{name}", f'select x::text from "{schema}"."{name}"({places}) x', list(arguments)


def list_statements(person: psycopg.Connection[Any]) -> Iterator[tuple[str, Any, list[Any]]]:
    """Everything that a person may ask in psql: where, the statement, its parameters."""
    for schema, name, columns in person.execute(RELATIONS).fetchall():
        listed = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns)
        yield (
            f"{schema}.{name}",
            sql.SQL("select {} from {}").format(listed, sql.Identifier(schema, name)),
            [],
        )
    yield from list_calls(person)
    for statement in DEFINITIONS:
        yield statement, sql.SQL(statement), []
    dimensions: Any = person.execute("select name, dimensions from lakeward.vector_index").fetchall()
    for index, length in dimensions:
        yield (
            "lakeward.search",
            sql.SQL("select x::text from lakeward.search(%s, %s::real[], 1000) x"),
            [index, [0.1] * length],
        )
    own: Any = person.execute("select schema_name from lakeward.profile").fetchone()
    for relation in ("people", "people_safe"):
        for column in ("k", "mail", "note", "team"):
            for expression in (f"{column}::bigint", f"1 / length({column})", f"{column}::date"):
                yield f"{own[0]}.{relation}", sql.SQL(f"select {expression} from {own[0]}.{relation}"), []
        yield f"lake.{relation}", sql.SQL(f"select * from lake.{relation}"), []
        yield "explain", sql.SQL(f"explain (verbose) select * from {own[0]}.{relation}"), []


# --- what comes out


def told(reader: Reader, place: str, question: str, answer: str) -> list[tuple[str, str, str]]:
    """The secrets in an answer that were not in the question: the place, the secret, what is around it."""
    found = []
    lowered = answer.lower()
    for secret in sorted(reader.secrets):
        if secret in question.lower() or any(
            secret in secrets and re.search(where, place) for where, secrets, _ in EXEMPT
        ):
            continue
        for spelled in (secret, secret.encode().hex()):
            if (at := lowered.find(spelled)) >= 0:
                found.append((place, secret, answer[max(at - 80, 0) : at + 40]))
    return found


def through_gets(api: Api, reader: Reader) -> list[tuple[str, str, str]]:
    """What the API's GETs let out."""
    found = []
    for path in list_gets(api):
        answer = reader.client.get(path)
        found += told(reader, f"GET {path}", path, f"{dict(answer.headers)} {answer.text}")
    return found


def through_posts(reader: Reader) -> list[tuple[str, str, str]]:
    """What searches, SQL and wrong requests let out."""
    found = []
    for path, body in list_posts(reader.profile):
        answer = reader.client.post(path, json=body)
        found += told(
            reader, f"POST {path} {body}", path + json.dumps(body), f"{dict(answer.headers)} {answer.text}"
        )
    return found


def through_psql(reader: Reader) -> list[tuple[str, str, str]]:
    """What a session of the reader's own lets out."""
    found = []
    for place, statement, parameters in list(list_statements(reader.person)):
        text = statement if isinstance(statement, str) else statement.as_string(reader.person)
        try:
            query = text.encode()
            answer = repr(reader.person.execute(query, parameters or None).fetchall())
        except psycopg.Error as exc:
            answer = f"{exc} {exc.diag.message_detail} {exc.diag.message_hint} {exc.diag.context}"
        found += told(reader, place, f"{text} {parameters}", answer)
    return found


@pytest.mark.parametrize("profile", ["viewer", "raw"])
def test_rest_tells_no_secret(world: Api, profile: str) -> None:
    with reading(world, profile) as reader:
        assert through_gets(world, reader) == []
        assert through_posts(reader) == []


@pytest.mark.parametrize("profile", ["viewer", "raw"])
def test_psql_tells_no_secret(world: Api, profile: str) -> None:
    with reading(world, profile) as reader:
        assert through_psql(reader) == []


def test_the_secrets_are_where_they_were_planted(world: Api) -> None:
    """Nothing is found because nothing is there? The admin and the owner find all of them."""
    with world.deployed.connect("owner") as owner:
        tables = owner.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname in ('lakeward', 'record', 'lake', 'vec')"
        ).fetchall()
        everything = "".join(
            repr(owner.execute(f"select t::text from {table} t".encode()).fetchall()) for (table,) in tables
        )
        everything += repr(owner.execute("select rolname from pg_roles").fetchall())
    assert [secret for secret in SECRETS if secret not in everything] == []


@pytest.mark.xfail(
    strict=True,
    reason="a row filter's literals are in the view's definition, which every Postgres session may read and EXPLAIN",
)
def test_psql_does_not_tell_the_literals_of_a_row_filter(world: Api) -> None:
    with reading(world, "viewer") as reader:
        told_by = [
            "select pg_get_viewdef(c.oid) from pg_class c where c.relkind = 'v'",
            "explain select * from p_viewer.people_safe",
        ]
        assert "zqfilter" not in "".join(repr(reader.person.execute(q.encode()).fetchall()) for q in told_by)


#: A bug of each kind, where it is (see test_non_interference), who meets it, and a secret that then comes out.
PLANTED = {
    "a mask is forgotten": ("viewer", "zqrawkey", REDACTION, "coalesce(action, 'none')", "'none'"),
    "a hidden column is listed": ("viewer", "zqhiddencolumn", PROJECTION, "where c.shown", "where true"),
    "the filter is forgotten": (
        "viewer",
        "zqhiddenrow",
        "find_base(bigint)",
        "b.filter_tree is null",
        "true",
    ),
    "hits show the raw key": (
        "raw",
        "zqrawkey",
        "install_index_reader(bigint,bigint)",
        "format('s.%I::text', x.name)",
        "'c.row_key::text'",
    ),
    "the table of tombstones is granted": ("raw", "zqimage", "tombstone", "steward_writes", None),
    "other profiles are shown": ("viewer", "zqotherdescription", "profile", "own_part", None),
    "the journal is granted": ("raw", "zqoldvalue", "journal", "steward_writes", None),
    "jobs are granted": ("viewer", "zqjoberror", "job", "steward_writes", None),
}


@pytest.mark.parametrize("bug", some(PLANTED))
def test_a_planted_bug_is_found(world: Api, bug: str) -> None:
    profile, secret, place, old, new = PLANTED[bug]
    with (
        world.deployed.connect("owner") as owner,
        planted(owner, place, old, new),
        reading(world, profile) as reader,
    ):
        by_rest, by_psql = through_posts(reader) if new else [], through_psql(reader)
    assert secret in {found for _, found, _ in by_psql}
    if new:
        assert secret in {found for _, found, _ in by_rest}


def test_a_gate_that_readers_are_told_of_is_found(world: Api) -> None:
    """By a GET, and by a function that is open in psql: what lists versions runs with the rights of who asks."""
    with (
        world.deployed.connect("owner") as owner,
        planted(owner, "gate_of(bigint)", " STABLE", " STABLE SECURITY DEFINER"),
        reading(world, "viewer") as reader,
    ):
        assert "zqgate" in reader.client.get("/vectors/indexes/safe_v1").text
        assert "zqgate" in {found for _, found, _ in through_psql(reader)}
