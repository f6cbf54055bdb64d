"""The doors: each asks the same question as the same reader. A new door joins by one more class in `doors_of`."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

import httpx
import msgspec
import psycopg
import pyarrow as pa
import pyarrow.parquet
from psycopg import sql

from tests.integration.api.conftest import Api
from tests.integration.security.conftest import session_as

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


class Answer(msgspec.Struct, frozen=True):
    """Rows in any order, with the names of their columns; or a refusal, and then nothing else counts."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    refused: bool = False

    @classmethod
    def of(cls, columns: Any, rows: Any) -> "Answer":
        """The answer with its values in one spelling for all doors."""
        plain = [tuple(plain_value(value) for value in row) for row in rows]
        return cls(columns=tuple(columns), rows=tuple(sorted(plain, key=repr)))


REFUSED = Answer(refused=True)


def plain_value(value: Any) -> Any:
    """One spelling: dates as ISO text, whole numbers as int, other numbers as float."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else float(value)
    return value


class Door(Protocol):
    """A way to ask one SELECT over the relations of one reader."""

    name: str

    def ask(self, question: str) -> Answer:
        """The answer, or REFUSED."""
        ...


class SessionDoor:
    """SELECT in a Postgres session: the app's scope as the profile, or a person's psql."""

    def __init__(self, name: str, connection: psycopg.Connection[Any]) -> None:
        self.name = name
        self._connection = connection

    def ask(self, question: str) -> Answer:
        try:
            cursor = self._connection.execute(question.encode())
        except (
            psycopg.errors.UndefinedColumn,
            psycopg.errors.UndefinedTable,
            psycopg.errors.InsufficientPrivilege,
        ):
            return REFUSED
        return Answer.of([column.name for column in cursor.description or ()], cursor.fetchall())


class QueryDoor:
    """POST /query/sql in one of its formats."""

    def __init__(self, client: httpx.Client, media_type: str) -> None:
        self.name = f"sql as {media_type.rpartition('/')[2]}"
        self._client = client
        self._media_type = media_type

    def ask(self, question: str) -> Answer:
        answer = self._client.post("/query/sql", json={"sql": question}, headers={"Accept": self._media_type})
        if answer.status_code in (400, 403, 404):
            return REFUSED
        assert answer.status_code == 200, answer.text
        return Answer.of(*self._read(answer))

    def _read(self, answer: httpx.Response) -> tuple[Any, Any]:
        match self._media_type:
            case "application/json":
                document = answer.json()
                assert not document["truncated"] and document["row_count"] == len(document["rows"])
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


@contextmanager
def doors_of(api: Api, profile: str) -> Iterator[list[Door]]:
    """Every door that takes a SELECT, open for this reader."""
    role = api.admin.get(f"/catalog/profiles/{profile}").json()
    with ExitStack() as stack:
        reader = stack.enter_context(api.reader(profile))
        scope = stack.enter_context(api.deployed.connect("service"))
        scope.execute(
            "select set_config('search_path', %s, false), set_config('role', %s, false)",
            [role["schema_name"], role["role_name"]],
        )
        person = stack.enter_context(session_as(api.deployed, profile))
        admin = stack.enter_context(httpx.Client(base_url=api.url, timeout=60))
        admin.headers.update({"X-API-Key": api.admin.headers["X-API-Key"], "X-Lakehouse-Profile": profile})
        yield [
            SessionDoor("scope", scope),
            SessionDoor("psql", person),
            QueryDoor(reader, "application/json"),
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
