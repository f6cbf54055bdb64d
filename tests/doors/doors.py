"""The doors: each asks the same question as the same reader. A new door joins by one more class in `doors_of`."""

import io
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol

import duckdb
import httpx
import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet
from psycopg import sql

from app.analytics.export import ExportTask, export_relations
from app.analytics.models import RelationColumns
from app.errors import ForbiddenError
from tests.integration.api.conftest import Api
from tests.integration.security.conftest import session_as

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


class Answer(msgspec.Struct, frozen=True):
    """Rows in any order, with the names of their columns; or what is refused, and then nothing else counts."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    refused: Literal["", "column", "relation"] = ""

    @classmethod
    def of(cls, columns: Any, rows: Any) -> "Answer":
        """The answer with its values in one spelling for all doors."""
        plain = [tuple(plain_value(value) for value in row) for row in rows]
        return cls(columns=tuple(columns), rows=tuple(sorted(plain, key=repr)))


#: There is no such column, or no such relation, as far as this reader can tell.
NO_COLUMN = Answer(refused="column")
NO_RELATION = Answer(refused="relation")


def plain_value(value: Any) -> Any:
    """One spelling: times as ISO text in UTC, exact numbers as text, whole ones as int."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return int(value) if value == int(value) else value
    return value


class Door(Protocol):
    """A way to ask one SELECT over the relations of one reader."""

    name: str
    #: The words of the last refusal.
    said: str

    def ask(self, question: str) -> Answer:
        """The answer, NO_COLUMN or NO_RELATION."""
        ...


class SessionDoor:
    """SELECT in a Postgres session: the app's scope as the profile, or a person's psql."""

    def __init__(self, name: str, connection: psycopg.Connection[Any]) -> None:
        self.name = name
        self.said = ""
        self._connection = connection

    def ask(self, question: str) -> Answer:
        try:
            cursor = self._connection.execute(question.encode())
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as exc:
            self.said = exc.diag.message_primary or ""
            return NO_RELATION
        except psycopg.errors.UndefinedColumn as exc:
            self.said = exc.diag.message_primary or ""
            return NO_COLUMN
        return Answer.of([column.name for column in cursor.description or ()], cursor.fetchall())


class QueryDoor:
    """POST /query/sql in one of its formats."""

    def __init__(self, client: httpx.Client, media_type: str) -> None:
        self.name = f"sql as {media_type.rpartition('/')[2]}"
        self.said = ""
        self._client = client
        self._media_type = media_type

    def ask(self, question: str) -> Answer:
        for _ in range(4):
            answer = self._client.post(
                "/query/sql", json={"sql": question}, headers={"Accept": self._media_type}
            )
            if answer.status_code != 504:  # no answer is none: the machine is busy
                break
        if answer.status_code == 400:
            self.said = answer.json()["detail"]
            assert re.search(r"No field named|table '.*' not found", self.said), self.said
            return NO_COLUMN if "No field named" in self.said else NO_RELATION
        assert answer.status_code == 200, answer.text
        return Answer.of(*self._read(answer))

    def _read(self, answer: httpx.Response) -> tuple[Any, Any]:
        match self._media_type:
            case "application/json":
                document = answer.json()
                assert not document["truncated"] and document["row_count"] == len(document["rows"])
                exact = [column["type"].startswith("decimal") for column in document["columns"]]
                assert all(
                    value is None or isinstance(value, str)
                    for row in document["rows"]
                    for value, is_exact in zip(row, exact, strict=True)
                    if is_exact
                ), "an exact number is not one in JSON"
                return [column["name"] for column in document["columns"]], document["rows"]
            case "application/x-ndjson":
                rows = [json.loads(line) for line in answer.text.splitlines()]
                names = list(rows[0]) if rows else []
                return names, [[row[name] for name in names] for row in rows]
            case media_type if media_type == ARROW:
                table = pa.ipc.open_stream(answer.content).read_all()
            case _:
                table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
        return table.column_names, [tuple(row.values()) for row in table.to_pylist()]


class ExportDoor:
    """The Arrow export by ADBC under the reader's role: all of a relation, and another engine asked about that."""

    name = "export"

    def __init__(self, api: Api, owner: psycopg.Connection[Any], role: str, schema: str) -> None:
        self.said = ""
        self._dsn, self._owner, self._role, self._schema = api.deployed.service_dsn, owner, role, schema

    def ask(self, question: str) -> Answer:
        named = re.search(r" from (?:(\w+)\.)?(\w+)", question)
        assert named is not None
        columns = self._columns(named[1] or self._schema, named[2])
        if columns is None:
            return NO_RELATION
        try:
            exported = export_relations(
                ExportTask(
                    dsn=self._dsn,
                    role=self._role,
                    steward="",
                    relations=[columns],
                    cached=[],
                    timeout_ms=10_000,
                    memory_bytes=2**24,
                )
            )
        except ForbiddenError as exc:
            self.said = exc.message
            return NO_RELATION
        with duckdb.connect() as engine:
            engine.execute("set timezone = 'UTC'")
            engine.register(named[2], exported.tables[named[2]])
            try:
                table = engine.sql(question).to_arrow_table()
            except duckdb.BinderException:
                return NO_COLUMN
        return Answer.of(table.column_names, [tuple(row.values()) for row in table.to_pylist()])

    def _columns(self, schema: str, name: str) -> RelationColumns | None:
        """What the owner knows of a relation: the role is what has to keep it, not what is asked for."""
        names = self._owner.execute(
            "select a.attname, case t.typname when 'int8' then 'bigint' when 'bool' then 'boolean'"
            " when 'float8' then 'double precision' else t.typname end"
            " from pg_attribute a join pg_type t on t.oid = a.atttypid"
            " where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped order by a.attnum",
            [sql.Identifier(schema, name).as_string(None)],
        ).fetchall()
        if not names:
            return None
        return RelationColumns(name, schema, [column for column, _ in names], [kind for _, kind in names])


@contextmanager
def doors_of(api: Api, profile: str, home: str = "table") -> Iterator[list[Door]]:
    """Every door that takes a SELECT, open for this reader; Postgres' own are none for rows that are in files."""
    role = api.admin.get(f"/catalog/profiles/{profile}").json()
    with ExitStack() as stack:
        reader = stack.enter_context(api.reader(profile))
        scope = stack.enter_context(api.deployed.connect("service"))
        scope.execute(
            "select set_config('search_path', %s, false), set_config('role', %s, false)",
            [role["schema_name"], role["role_name"]],
        )
        person = stack.enter_context(session_as(api.deployed, profile))
        owner = stack.enter_context(api.deployed.connect("owner"))
        admin = stack.enter_context(httpx.Client(base_url=api.url, timeout=60))
        admin.headers.update({"X-API-Key": api.admin.headers["X-API-Key"], "X-Lakehouse-Profile": profile})
        postgres: list[Door] = [
            SessionDoor("scope", scope),
            SessionDoor("psql", person),
        ]
        export = ExportDoor(api, owner, role["role_name"], role["schema_name"])
        yield [
            *(postgres if home == "table" else []),
            QueryDoor(reader, "application/json"),
            *([export] if home == "table" else []),
            QueryDoor(reader, "application/x-ndjson"),
            QueryDoor(reader, ARROW),
            QueryDoor(reader, PARQUET),
            QueryDoor(admin, "application/json"),
        ]


def search_all(api: Api, profile: str, index: str) -> list[dict[str, Any]]:
    """Every hit of an index as this reader gets them: k covers the world."""
    with api.reader(profile) as reader:
        request = {"index": index, "query": "anything", "k": 1000}
        answer = reader.post(f"/vectors/profile/{profile}/search", json=request)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def search_by_lance(api: Api, profile: str, index: str, k: int) -> list[dict[str, Any]]:
    """The k nearest as this reader gets them when it searches by a copy in Lance; k at most what there is."""
    before = api.admin.get(f"/catalog/profiles/{profile}").json()
    request = {name: before[name] for name in ("id", "bound_datasets", "hnsw_config", "access_role")}
    path = f"/vectors/profile/{profile}"
    try:
        answer = api.admin.post("/catalog/profiles", json=request | {"vector_backend": "lance"})
        assert answer.is_success, answer.text
        activated = api.admin.post(f"{path}/activate").json()
        assert activated["failures"] == [], activated
        with api.reader(profile) as reader:
            answer = reader.post(f"{path}/search", json={"index": index, "query": "anything", "k": k})
    finally:
        assert api.admin.post("/catalog/profiles", json=request).is_success
    assert answer.json()["method"] == "lance", answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def search_where(api: Api, profile: str, index: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Every hit that meets a filter."""
    with api.reader(profile) as reader:
        request = {"index": index, "query": "anything", "k": 1000, "filter": wanted}
        answer = reader.post(f"/vectors/profile/{profile}/search", json=request)
    assert answer.status_code == 200, answer.text
    hits: list[dict[str, Any]] = answer.json()["hits"]
    return hits


def read_context(api: Api, profile: str, index: str) -> list[dict[str, Any]]:
    """What a model would be shown for a question, as far as 50 passages go."""
    with api.reader(profile) as reader:
        request = {
            "question": "anything",
            "index": index,
            "k": 50,
            "mode": "vector",
            "context_tokens": 100_000,
        }
        answer = reader.post("/vectors/rag", json=request)
    assert answer.status_code == 200, answer.text
    citations: list[dict[str, Any]] = answer.json()["citations"]
    return citations


def search_by_function(api: Api, profile: str, index: str) -> list[tuple[Any, ...]]:
    """The same through lakeward.search() in a person's psql: doc_key, metadata, text."""
    with session_as(api.deployed, profile) as person, api.deployed.connect("owner") as owner:
        query = owner.execute(
            sql.SQL("select embedding::real[] from {} limit 1").format(sql.Identifier("vec", index))
        ).fetchone()
        assert query is not None
        return person.execute(
            "select doc_key, metadata, text from lakeward.search(%s, %s::real[], 1000)", [index, query[0]]
        ).fetchall()
