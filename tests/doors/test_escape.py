"""A hostile reader gets nothing out and changes nothing: in psql, in the app's sessions, by analytic SQL and REST.

Nothing out: no planted secret is in any row, notice or error. Nothing changed: a fingerprint of the whole database is
the same as before. That both would be noticed is shown with planted bugs, at the end.
"""

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.doors.escapes import REFUSED, TRIED
from tests.doors.fingerprint import changes, take_fingerprint
from tests.doors.hostile_world import INDEX, TIMEOUT, Finding, World, hostile_world, run
from tests.integration.api.conftest import Api, api

__all__ = ["api"]
HOSTILE = Path(__file__).parents[1] / "data" / "hostile"
LINES = sorted(
    {
        *json.loads((HOSTILE / "blns.json").read_text()),
        *(
            line
            for path in (HOSTILE / "sqli").iterdir()
            for line in path.read_text(errors="surrogateescape").splitlines()
        ),
    }
)
ALL = pytest.param(LINES, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(3600)])
CORPUS = [pytest.param(random.Random(1).sample(LINES, 40), id="sample"), ALL]


@pytest.fixture(scope="module")
def world(api: Api) -> Iterator[World]:
    with hostile_world(api) as made:
        yield made


@pytest.fixture
def unchanged(world: World) -> Iterator[None]:
    """After the test the database is as it was before."""
    with world.api.deployed.connect() as admin:
        before = take_fingerprint(admin, world.own)
        yield
        assert changes(before, take_fingerprint(admin, world.own)) == {}


@pytest.fixture(scope="module")
def reader(api: Api, world: World) -> Iterator[httpx.Client]:
    with api.reader("reader") as client:
        yield client


@pytest.mark.parametrize("kind", REFUSED)
def test_in_psql_it_is_refused(world: World, kind: str) -> None:
    assert world.attack(REFUSED[kind], refused=True) == []


@pytest.mark.parametrize("kind", TRIED)
def test_in_psql_it_is_harmless(world: World, kind: str) -> None:
    assert world.attack(TRIED[kind], refused=False) == []


#: What ends or leaves the app's role needs SQL of the reader's own in the app's session, and that there never is.
LEAVES_THE_ROLE = (
    "role",
    "session authorization",
    "session_authorization",
    "discard",
    "begin;",
    "listen",
    "terminate",
)


@pytest.mark.parametrize("kind", [*REFUSED, *TRIED])
def test_as_a_profile_in_the_apps_session_it_is_too(world: World, unchanged: None, kind: str) -> None:
    """The service login that became the profile for one transaction: the profile alone is what counts."""
    refused = kind in REFUSED
    found: list[Finding] = []
    for template in REFUSED.get(kind) or TRIED[kind]:
        if any(word in template for word in LEAVES_THE_ROLE):
            continue
        with psycopg.connect(world.api.deployed.service_dsn, options=TIMEOUT) as connection:
            connection.execute(
                "select set_config('search_path', 'p_reader', true), set_config('role', %s, true)",
                [world.own[1]],
            )
            outcome = run(connection, world.fill(template))
            if outcome.error is None and not connection.closed:
                connection.commit()
        found += world.judge(outcome, refused=refused)
    assert found == []


def values_of(kind: str) -> list[Any]:
    """What to call a function with, by the type of its argument."""
    if kind in ("text", "name", "character varying"):
        texts = [
            "people",
            "vault",
            INDEX,
            "x' or true --",
            "",
            "730041900",
            '{"a": 1}',
            "'||(select 1)||'",
            "beta",
        ]
        return [*texts, "vault_v1", "ok", None]
    if kind in ("bigint", "integer", "smallint"):
        return [None, -1, 0, 1, 2, 3, 1000]
    if kind == "text[]":
        return [None, "{}", "{people,vault}", "{730041900}"]
    if kind == "real[]":
        return [None, "{}", "{1,0}", "{NaN}"]
    if kind == "bigint[]":
        return [None, "{}", "{1,2,3}"]
    if kind == "boolean":
        return [None, True, False]
    if kind in ("vector", "halfvec", "ext.vector", "ext.halfvec", "jsonb"):
        return [None, "[1,2]", "[]"]
    return [None, "1", "x"]


def calls(world: World) -> Iterator[tuple[str, list[Any]]]:
    """Every function that the reader may execute, ours, the queue's and the extension's, with arguments."""
    with world.connect() as connection:
        functions = connection.execute(
            b"select format('%I.%I', n.nspname, p.proname), n.nspname::text, array(select format_type(t, null)"
            b"   from unnest(p.proargtypes::oid[]) with ordinality a (t, i) order by i)"
            b" from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            b" where n.nspname in ('lakeward', 'jobs', 'record', 'ext', 'vec', 'lake', 'public')"
            b" and has_function_privilege(p.oid, 'execute') and p.prokind = 'f'"
            b" and p.prorettype <> 'trigger'::regtype and p.prorettype <> 'index_am_handler'::regtype"
            b" and not 'internal'::regtype = any(p.proargtypes) order by 1"
        ).fetchall()
    chooser = random.Random(2)
    for name, schema, kinds in functions:
        arguments = list(itertools.islice(itertools.product(*map(values_of, kinds)), 5000))
        placeholders = ", ".join(f"%s::{kind}" for kind in kinds if kind != "cstring")
        if "cstring" in kinds:
            continue
        for chosen in chooser.sample(arguments, min(len(arguments), 60 if schema == "lakeward" else 4)):
            yield f"select * from {name}({placeholders})", list(chosen)


def test_every_function_that_a_reader_may_call_is_harmless(world: World, unchanged: None) -> None:
    found: list[Finding] = []
    names: set[str] = set()
    connection = world.connect()
    for statement, arguments in calls(world):
        names.add(statement.split("(")[0].removeprefix("select * from "))
        with psycopg.ClientCursor(connection) as cursor:
            outcome = run(connection, cursor.mogrify(statement.encode(), arguments))
        found += world.judge(outcome, refused=False)
        if connection.closed:
            connection = world.connect()
    connection.close()
    assert {"lakeward.search", "lakeward.whoami", "lakeward.append_audit", "lakeward.record_read"} <= names
    assert found == []


def harmless(world: World, answer: httpx.Response) -> list[Finding]:
    """What is wrong with an answer."""
    asked = f"{answer.request.method} {answer.request.url} {answer.request.content[:200]!r}"
    found = [Finding(asked, f"shows {secret}") for secret in world.leaked(answer.text)]
    if answer.status_code >= 500:
        found.append(Finding(asked, f"{answer.status_code} {answer.text[:200]}"))
    return found


#: Each query is a process of its own, and takes 0.1 s to start.
@pytest.mark.parametrize("lines", [pytest.param(random.Random(4).sample(LINES, 15), id="sample"), ALL])
def test_analytic_sql_gives_nothing_away(
    world: World, reader: httpx.Client, unchanged: None, lines: list[str]
) -> None:
    found: list[Finding] = []
    for line in lines:
        quoted = line.replace("'", "''")
        for statement in (
            line,
            f"select * from people_safe where name = '{line}'",
            f"select * from people_safe where name = '{quoted}' or city like '{quoted}'",
        ):
            try:
                body = json.dumps({"sql": statement}, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                body = json.dumps({"sql": statement}).encode()
            found += harmless(
                world, reader.post("/query/sql", content=body, headers={"Content-Type": "application/json"})
            )
    assert found == []


ANALYTIC = [
    "select * from people",
    "select * from vault",
    "select * from orders",
    "select * from lake.people",
    "select * from lakeward.api_key",
    "select secret from people_safe",
    "select * from people_safe where secret = 'x'",
    "select * from information_schema.tables",
    "show tables",
    "show all",
    "describe people_safe",
    "explain select * from people_safe",
    "explain analyze select * from people_safe",
    "create table t as select * from people_safe",
    "create view v as select 1",
    "create external table t stored as csv location '/etc/passwd'",
    "create function f() returns int return 1",
    "insert into people_safe select * from people_safe",
    "copy people_safe to '/tmp/lakeward_escape.csv'",
    "copy (select 1) to '/tmp/lakeward_escape.parquet'",
    "drop table people_safe",
    "set datafusion.execution.batch_size = 1",
    "select * from '/etc/passwd'",
    "select * from read_csv('/etc/passwd')",
    "select * from people_safe; select * from people_safe",
    "select * from people_safe where cast(name as bigint) = 1",
    "select arrow_cast(id, 'Int64') from people_safe",
    "select 1 / 0",
    "prepare p as select * from people_safe",
    "execute p",
    "with recursive r as (select 1 as n union all select n + 1 from r) select max(n) from r",
    "select * from generate_series(1, 1000000000)",
]


def test_analytic_sql_refuses_what_is_no_question(
    world: World, reader: httpx.Client, unchanged: None
) -> None:
    found = [
        finding
        for statement in ANALYTIC
        for answer in [
            reader.post("/query/sql", json={"sql": statement, "timeout_ms": 1000, "max_rows": 100})
        ]
        if answer.status_code != 504
        for finding in harmless(world, answer)
    ]
    assert found == []


def requests(line: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every place of the API where a reader can put a text."""
    segment = quote(line.encode("utf-8", "replace"), safe="")
    if segment.strip(".") and "%2F" not in segment:
        for path in (
            "/catalog/profiles/{}",
            "/catalog/datasets/by-name/{}",
            "/catalog/views/{}",
            "/vectors/indexes/{}",
            "/vectors/jobs/{}",
        ):
            yield "GET", path.format(segment), {}
    yield "POST", "/vectors/profile/reader/search", {"json": {"index": line, "query": "otter"}}
    yield "POST", "/vectors/profile/reader/search", {"json": {"index": INDEX, "query": line, "k": 3}}
    params = {"source": line, "model": line, "cursor": line}
    yield (
        "GET",
        "/vectors/indexes",
        {"params": {k: v.encode("utf-8", "replace").decode() for k, v in params.items()}},
    )
    yield (
        "GET",
        "/catalog/datasets",
        {"params": {"cursor": params["cursor"].encode("utf-8", "replace").decode()}},
    )
    yield "POST", "/access/users", {"json": {"name": line, "profile": line, "password": line}}
    yield "POST", "/access/keys", {"json": {"name": line, "kind": "reader", "profile": line}}
    yield "POST", "/catalog/profiles", {"json": {"id": line, "bound_datasets": [line]}}
    if line.isascii() and line.isprintable() and line.strip() == line and line:
        yield "GET", "/whoami", {"headers": {"X-Lakehouse-Profile": line}}
        yield "GET", "/whoami", {"headers": {"X-Lakehouse-Model": line}}
        yield "GET", "/whoami", {"headers": {"X-API-Key": line}}
        yield "GET", "/whoami", {"headers": {"X-API-Key": "", "Authorization": f"Bearer {line}"}}


@pytest.mark.parametrize("lines", CORPUS)
def test_rest_gives_a_reader_nothing(
    world: World, reader: httpx.Client, unchanged: None, lines: list[str]
) -> None:
    found: list[Finding] = []
    for line in lines:
        for method, path, options in requests(line):
            if "json" in options:
                body = json.dumps(options["json"]).encode()
                options = {"content": body, "headers": {"Content-Type": "application/json"}}
            answer = reader.request(method, path, **options)
            found += harmless(world, answer)
            if answer.is_success and method == "POST" and "search" not in path:
                found.append(Finding(f"{method} {path} {line!r}", f"answered {answer.status_code}"))
    assert found == []


@pytest.mark.parametrize("lines", CORPUS)
def test_as_names_an_admin_gets_a_clear_refusal_or_the_thing_itself(world: World, lines: list[str]) -> None:
    """What was made is called exactly that, and goes again; the rest is 400 or 404, never a fault of ours."""
    admin = world.api.admin
    found: list[Finding] = []
    with world.api.deployed.connect() as owner:
        before = take_fingerprint(owner, world.own)
    for line in lines:
        view = {"name": line, "base_dataset": "people", "columns": ["id", "name"]}
        for path, body, name in (
            ("/catalog/profiles", {"id": line}, "id"),
            ("/catalog/views", view, "name"),
            ("/catalog/views", {**view, "name": "hostile_filter", "row_filter": line}, "name"),
            ("/catalog/views", {**view, "name": "hostile_columns", "columns": [line]}, "name"),
            ("/catalog/views", {**view, "name": "hostile_base", "base_dataset": line}, "name"),
            ("/access/users", {"name": line, "profile": "reader"}, "name"),
        ):
            content = json.dumps(body).encode()
            answer = admin.post(path, content=content, headers={"Content-Type": "application/json"})
            if answer.status_code == 201:
                made = answer.json()[name]
                if made != body[name]:
                    found.append(Finding(f"{path} {line!r}", f"made {made!r}"))
                assert admin.delete(f"{path}/{quote(made, safe='')}").status_code == 200, made
            elif answer.status_code not in (400, 404, 409):
                found.append(Finding(f"{path} {line!r}", f"{answer.status_code} {answer.text[:200]}"))
    assert found == []
    with world.api.deployed.connect() as owner:
        changed = changes(before, take_fingerprint(owner, world.own))
    # what was made and taken away is on record
    assert {name for name in changed if "journal" not in name} == set()


def test_as_values_they_are_values(world: World) -> None:
    """Every line goes in as a cell and comes out as it went in, in psql and by analytic SQL."""
    api = world.api
    texts = [line for line in LINES if "\0" not in line and not any("\ud800" <= c <= "\udfff" for c in line)]
    rows = json.dumps([{"n": n, "line": line} for n, line in enumerate(texts)]).encode()
    assert api.ingest("lines", rows, "lines.json", row_key="n").status_code == 201
    api.profile("liner", "lines")
    with api.reader("liner") as client:
        answer = client.post("/query/sql", json={"sql": "select n, line from lines order by n limit 1000"})
        assert [row[1] for row in answer.json()["rows"]] == texts[: len(answer.json()["rows"])]
    with api.deployed.connect("owner") as owner:
        assert [line for (line,) in owner.execute("select line from lake.lines order by n")] == texts


def test_the_service_works_as_before(world: World, reader: httpx.Client) -> None:
    """After all that: the worker builds an index, the reader searches and asks."""
    name = world.api.index("staff", "badge", name="afterwards")
    assert world.api.admin.get(f"/vectors/indexes/{name}").json()["chunks"] == 2
    found = reader.post("/vectors/profile/reader/search", json={"index": INDEX, "query": "otter", "k": 5})
    assert len(found.json()["hits"]) == 5
    assert reader.post("/query/sql", json={"sql": "select count(*) from people_safe"}).json()["rows"] == [
        [40]
    ]
    assert world.api.admin.get("/ready").status_code == 200


#: What an admin, or a bug, could have done, its undoing, and the statements that must notice it.
PLANTS: dict[str, tuple[str, str, Any]] = {
    "a table without its policy": (
        "alter table lake.vault disable row level security;"
        "grant usage on schema lake to {reader}; grant select on lake.vault to {reader}",
        "alter table lake.vault enable row level security;"
        "revoke usage on schema lake from {reader}; revoke select on lake.vault from {reader}",
        "catalog",
    ),
    "a table of the admin's": (
        "alter table lakeward.rejected_row disable row level security;"
        "grant select on lakeward.rejected_row to {reader}",
        "alter table lakeward.rejected_row enable row level security;"
        "revoke select on lakeward.rejected_row from {reader}",
        "catalog",
    ),
    "row keys": (
        "grant select (row_key) on vec.{index} to {reader}",
        "revoke select (row_key) on vec.{index} from {reader}",
        "catalog",
    ),
    "a write": (
        "grant update on p_reader.people_safe to {reader}; grant update on lake.people to {gate}",
        "revoke update on p_reader.people_safe from {reader}; revoke update on lake.people from {gate}",
        "writes",
    ),
    "a right to create": (
        "grant create on schema p_reader to {reader}",
        "drop view p_reader.v; revoke create on schema p_reader from {reader}",
        ["create view v as select 1"],
    ),
    "temporary tables": (
        "grant temporary on database {database} to public",
        "revoke temporary on database {database} from public",
        "objects",
    ),
    "a function": (
        "grant execute on function lakeward.find_key(text) to public",
        "revoke execute on function lakeward.find_key(text) from public",
        "functions",
    ),
    "files": (
        "grant execute on function pg_ls_dir(text) to {reader}",
        "revoke execute on function pg_ls_dir(text) from {reader}",
        "files",
    ),
    "no barrier": (
        "alter view p_reader.people_safe set (security_barrier = false)",
        "alter view p_reader.people_safe set (security_barrier = true)",
        "probing",
    ),
    "texts without their policy": (
        "alter table vec.{index}_text disable row level security;"
        "insert into vec.{index}_text values (-1, 'ghost1word', 0, 9); analyze vec.{index}_text;"
        "delete from vec.{index}_text where chunk_id = -1",
        "alter table vec.{index}_text enable row level security; analyze vec.{index}_text",
        "statistics",
    ),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_the_oracle_finds(world: World, unchanged: None, plant: str) -> None:
    planted, undone, kind = PLANTS[plant]
    with world.api.deployed.connect() as admin:
        for statement in world.fill(planted).split(";"):
            admin.execute(statement.encode())
        try:
            refused = isinstance(kind, list) or kind in REFUSED
            statements = kind if isinstance(kind, list) else REFUSED.get(kind) or TRIED[kind]
            found = world.attack(statements, refused=refused)
        finally:
            for statement in world.fill(undone).split(";"):
                admin.execute(statement.encode())
    assert found


def test_the_oracle_finds_a_role_that_is_one_too_many(world: World) -> None:
    """The last test: as the gate the reader may drop every view there is, and does."""
    with world.api.deployed.connect() as admin:
        admin.execute(world.fill("grant {gate} to {login}").encode())
    assert world.attack(REFUSED["roles"], refused=True)
