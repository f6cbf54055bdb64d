"""lakeward.whoami, search and similar: the caller's rights, and in psql and the app the same answer as REST."""

import json
import random
from typing import Any

import psycopg
import pytest

from app.db.scope import Actor
from tests.integration.api.conftest import Api, api, problem
from tests.integration.security.conftest import session_as

__all__ = ["api", "problem"]
ROWS = 400
WORDS = [
    "bear",
    "river",
    "engine",
    "violin",
    "harbour",
    "apple",
    "winter",
    "copper",
    "lantern",
    "meadow",
    "sailor",
    "thunder",
]
INDEX = "notes_v1"


def note(i: int) -> str:
    chooser = random.Random(i)
    # every third has several chunks
    return " ".join(chooser.choice(WORDS) for _ in range(60 if i % 3 == 2 else 8))


@pytest.fixture(scope="module")
def dimensions(api: Api) -> int:
    """The width of the one index, over a dataset that four profiles see in four ways."""
    rows = [{"id": i, "name": f"name {i}", "note": note(i)} for i in range(ROWS)]
    api.ingest("notes", json.dumps(rows), "notes.json", row_key="id")
    api.ingest("orders", "id,amount\n7,12\n", row_key="id")
    api.index("notes", "note", chunk={"size": 100, "overlap": 0})
    view = {
        "name": "some_notes",
        "base_dataset": "notes",
        "columns": ["name", "note"],
        "row_filter": "id < 200",
    }
    assert api.admin.post("/catalog/views", json=view).status_code == 201
    masked = {"id": {"action": "mask", "keep_prefix": 1, "keep_suffix": 0}}
    masked_view = {**view, "name": "masked_notes", "columns": ["id", "name", "note"], "redactions": masked}
    assert api.admin.post("/catalog/views", json=masked_view).status_code == 201
    api.index("some_notes", "note", name="some_notes_v1", chunk={"size": 100, "overlap": 0})
    api.index("masked_notes", "note", name="masked_notes_v1", chunk={"size": 100, "overlap": 0})
    # a variant that nobody has built: it is answered exactly
    api.profile("plain", "notes", hnsw_config={"m": 8, "ef_construction": 40, "ef_search": 30})
    api.profile("fast", "notes", hnsw_config={"m": 16, "ef_construction": 80, "ef_search": 40})
    api.profile("keyless", "some_notes")
    api.profile("masked", "masked_notes")
    api.profile("other", "orders")
    done = api.admin.post("/vectors/profile/fast/activate").json()
    assert done["failures"] == [] and done["warmed"], done
    width: int = api.admin.get(f"/vectors/indexes/{INDEX}").json()["dimensions"]
    return width


@pytest.fixture
def vector(dimensions: int) -> list[float]:
    chooser = random.Random(3)
    return [chooser.uniform(-1, 1) for _ in range(dimensions)]


SEARCH = "select doc_key, chunk_no, score, distance, text, metadata, method from lakeward.search(%s, %s::real[], %s)"
SIMILAR = (
    "select doc_key, chunk_no, score, distance, text, metadata, method from lakeward.similar(%s, %s, %s)"
)


def over_rest(api: Api, profile: str, index: str, vector: list[float], k: int) -> list[tuple[Any, ...]]:
    answer = api.admin.post(
        f"/vectors/profile/{profile}/search", json={"index": index, "vector": vector, "k": k}
    )
    assert answer.status_code == 200, answer.text
    found = answer.json()
    columns = ("doc_key", "chunk_no", "score", "distance", "text", "metadata")
    return [(*(hit[column] for column in columns), found["method"]) for hit in found["hits"]]


@pytest.mark.parametrize(
    ("profile", "index", "k"),
    [
        ("plain", INDEX, 10),
        ("fast", INDEX, 10),
        ("fast", INDEX, 100),
        ("fast", INDEX, 1000),
        ("keyless", "some_notes_v1", 10),
        ("masked", "masked_notes_v1", 25),
        ("plain", INDEX, 1),
    ],
)
def test_search_answers_as_rest_does(api: Api, vector: list[float], profile: str, index: str, k: int) -> None:
    with session_as(api.deployed, profile) as connection:
        found = connection.execute(SEARCH, [index, vector, k]).fetchall()
    expected = over_rest(api, profile, index, vector, k)
    assert len(found) == len(expected) > 0
    assert found == expected
    if profile == "fast" and k < 1000:
        assert {row[6] for row in found} == {"hnsw"}
    if profile == "keyless":
        assert {row[0] for row in found} == {None}
    if profile == "masked":
        assert all(row[0][1:].strip("*") == "" for row in found)


async def test_a_profiles_scope_in_the_app_gets_the_same(
    api: Api, vector: list[float], database_of: Any
) -> None:
    async with database_of(api) as database:
        role = f"{database.deployment.profile_prefix}fast"
        scope = database.reader(role, Actor(principal="k1", profile="fast", source="api"))
        async with scope.begin() as transaction:
            cursor = await transaction.connection.execute(SEARCH, [INDEX, vector, 10])
            found = await cursor.fetchall()
            left = await transaction.fetch_value("show hnsw.ef_search")
        who = await scope.fetch_value(
            "select (w.login, w.profile, w.access_role, w.relations)::text from lakeward.whoami() w"
        )
    assert found == over_rest(api, "fast", INDEX, vector, 10)
    assert left == "40"
    assert who == f"({database.deployment.service_role},fast,agent,{{notes}})"


async def test_an_admin_searches_without_a_profile(api: Api, vector: list[float], database_of: Any) -> None:
    async with database_of(api) as database, database.steward().begin() as transaction:
        cursor = await transaction.connection.execute(SEARCH, [INDEX, vector, 10])
        found = await cursor.fetchall()
        cursor = await transaction.connection.execute(SIMILAR, ["some_notes_v1", "7", 5])
        similar = await cursor.fetchall()
        who = await transaction.fetch_value(
            "select (w.profile, w.access_role, w.relations)::text from lakeward.whoami() w"
        )
    assert [row[:6] for row in found] == [row[:6] for row in over_rest(api, "plain", INDEX, vector, 10)]
    assert len(similar) == 5 and similar[0][0] != "7" and similar[0][5]["name"].startswith("name ")
    assert who == '(,admin,"{masked_notes,notes,orders,some_notes}")'


def test_similar_is_nearest_to_any_chunk_and_leaves_the_document_out(api: Api, dimensions: int) -> None:
    with session_as(api.deployed, "fast") as connection:
        own = connection.execute("select count(*) from vec.hits_1_2 where doc_key = '14'").fetchone()
        exact = connection.execute(
            "with o as (select n.embedding from vec.notes_v1 n join vec.hits_1_2 h using (chunk_id)"
            "  where h.doc_key = '14'),"
            " d as (select c.chunk_id, min(c.embedding operator(ext.<=>) o.embedding) as distance"
            "  from vec.notes_v1 c cross join o group by c.chunk_id)"
            " select h.doc_key, d.distance from d join vec.hits_1_2 h using (chunk_id) where h.doc_key <> '14'"
            " order by 2 limit 10"
        ).fetchall()
        found = connection.execute(SIMILAR, [INDEX, "14", 10]).fetchall()
    assert own[0] > 1
    assert {row[6] for row in found} == {"hnsw"}
    assert [row[3] for row in found] == pytest.approx([distance for _, distance in exact])
    with session_as(api.deployed, "plain") as connection:
        again = connection.execute(SIMILAR, [INDEX, "14", 10]).fetchall()
        assert [row[3] for row in again] == pytest.approx([row[3] for row in found])
        assert {row[6] for row in again} == {"exact"}
        everything = connection.execute(SIMILAR, [INDEX, "14", 1000]).fetchall()
        chunks = connection.execute("select count(*) from vec.notes_v1").fetchone()
    assert len(everything) == chunks[0] - own[0]
    assert "14" not in {row[0] for row in everything}


def test_a_masked_key_names_all_documents_that_show_it(api: Api, dimensions: int) -> None:
    with session_as(api.deployed, "masked") as connection:
        found = connection.execute(SIMILAR, ["masked_notes_v1", "2*", 5]).fetchall()
        assert found and "2*" not in {row[0] for row in found}
        with pytest.raises(psycopg.errors.NoDataFound, match="no document '25'"):
            connection.execute(SIMILAR, ["masked_notes_v1", "25", 5])
        with pytest.raises(psycopg.errors.ProgramLimitExceeded, match="more than 200 chunks"):
            connection.execute(SIMILAR, ["masked_notes_v1", "1**", 5])


@pytest.mark.parametrize(
    "index", ["notes_v1", "nothing", "", "x' or true --", 'no"tes', "vec.notes_v1", "é" * 300]
)
def test_an_index_that_is_not_open_is_refused_with_the_callers_own_relations(
    api: Api, vector: list[float], index: str
) -> None:
    with session_as(api.deployed, "other") as connection:
        for call in (
            lambda: connection.execute(SEARCH, [index, vector, 3]),
            lambda: connection.execute(SIMILAR, [index, "1", 3]),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="bound to orders") as refused:
                call()
            assert refused.value.diag.message_primary.count("notes") == (1 if "notes" in index else 0)


@pytest.mark.parametrize(
    ("query", "k", "why"),
    [
        ("{}", 3, "has 0"),
        (None, 3, "has 0"),
        ("{1,2}", 3, "has 2"),
        ("zero", 3, "^vector: all components are zero, so it has no direction to compare"),
        ("nearly zero", 3, "^vector: all components are zero, so it has no direction to compare"),
        ("null", 3, "null"),
        ("nan", 3, "NaN"),
        ("huge", 3, "range|infinite|halfvec"),
        ("one", 0, "between 1 and 1000, not 0"),
        ("one", 1001, "between 1 and 1000"),
        ("one", None, "between 1 and 1000, not null"),
    ],
)
def test_a_query_that_cannot_be_answered(api: Api, dimensions: int, query: Any, k: Any, why: str) -> None:
    if query == "nearly zero":
        query = [1e-9] * dimensions
    first = {"zero": "0", "null": "null", "nan": "NaN", "huge": "1e30", "one": "1"}
    if isinstance(query, str) and query in first:
        query = "{" + ",".join([first[query]] + ["0"] * (dimensions - 1)) + "}"
    with session_as(api.deployed, "fast") as connection, pytest.raises(psycopg.DataError, match=f"(?i){why}"):
        connection.execute(SEARCH, [INDEX, query, k])


@pytest.mark.parametrize("k", [1e-7, 3e-8])
def test_a_small_vector_has_a_direction(api: Api, dimensions: int, k: float) -> None:
    """The smallest that half precision can tell from zero, and what is rounded to it."""
    with session_as(api.deployed, "fast") as connection:
        found = connection.execute(SEARCH, [INDEX, [k] * dimensions, 3]).fetchall()
    assert len(found) == 3 and all(row[3] == row[3] for row in found)


HITS = "select unnest(lakeward.find_hits(%s, %s::real[], %s::bigint[], %s))"


def test_what_is_recorded_of_a_search_is_not_for_the_caller_to_say(api: Api, vector: list[float]) -> None:
    """The function below search and similar is anybody's to call: it says itself what was asked of it."""
    with session_as(api.deployed, "fast") as connection, api.deployed.connect("owner") as owner:
        signatures = connection.execute(
            "select pg_get_function_arguments(oid) from pg_proc where proname = 'find_hits'"
        ).fetchall()
        assert signatures == [("index_name text, query real[], chunks bigint[], k integer",)]
        connection.execute(HITS, [INDEX, vector, None, 2])
        connection.execute(HITS, [INDEX, None, [1, 2], 2])
        entries = owner.execute(
            "select operation, arguments_sha256 from lakeward.audit_entry"
            " where operation <> 'select' and login = %s order by id",
            [connection.info.user],
        ).fetchall()
        hashed = [
            owner.execute(
                f"select encode(sha256(convert_to(array[%s, %s::{kind}::text, '2']::text, 'UTF8')), 'hex')",
                [INDEX, asked],
            ).fetchone()[0]
            for kind, asked in (("real[]", vector), ("bigint[]", [1, 2]))
        ]
    assert entries == [(f"search {INDEX}", hashed[0]), (f"similar {INDEX}", hashed[1])]


@pytest.mark.parametrize(
    ("query", "chunks", "k", "why"),
    [
        (True, None, None, "k must be between 1 and 1000, not null"),
        (True, None, 0, "k must be between 1 and 1000, not 0"),
        (True, None, 1001, "k must be between 1 and 1000, not 1001"),
        (False, [1], None, "k must be between 1 and 1000, not null"),
        (False, [1], 100_000, "k must be between 1 and 1000, not 100000"),
        (True, [1], 3, "a search is for a vector, or for 1 to 200 chunks"),
        (False, [], 3, "1 to 200 chunks"),
        (False, list(range(201)), 3, "1 to 200 chunks"),
        (False, None, 3, "the vector has 0"),
    ],
)
def test_hits_that_nobody_may_ask_for(
    api: Api, vector: list[float], query: bool, chunks: list[int] | None, k: int | None, why: str
) -> None:
    with session_as(api.deployed, "fast") as connection, pytest.raises(psycopg.DataError, match=why):
        connection.execute(HITS, [INDEX, vector if query else None, chunks, k])


def test_whoami_in_psql(api: Api, dimensions: int) -> None:
    with session_as(api.deployed, "plain") as connection:
        who = connection.execute("select * from lakeward.whoami()").fetchone()
        assert who == (connection.info.user, "plain", "agent", ["notes"])
        connection.execute("set role none")
        assert connection.execute("select * from lakeward.whoami()").fetchone() == (
            connection.info.user,
            None,
            None,
            [],
        )


def test_every_search_is_on_record_or_does_not_happen(api: Api, vector: list[float]) -> None:
    with session_as(api.deployed, "fast") as connection, api.deployed.connect("owner") as owner:
        found = connection.execute(SEARCH, [INDEX, vector, 3]).fetchall()
        connection.execute(SIMILAR, [INDEX, "14", 2])
        entries = owner.execute(
            "select door, operation, relations, login, profile, rows, hits from lakeward.audit_entry"
            " where operation ~ '^(search|similar)' and login = %s order by id",
            [connection.info.user],
        ).fetchall()
        assert entries[0] == (
            "psql",
            f"search {INDEX}",
            ["notes"],
            connection.info.user,
            "fast",
            3,
            [row[0] for row in found],
        )
        assert entries[1][:3] == ("psql", f"similar {INDEX}", ["notes"])
        # what was asked, and once more that the statement read the relation
        counted = owner.execute(
            "select operation, count(*) from lakeward.audit_entry where login = %s group by 1 order by 1",
            [connection.info.user],
        ).fetchall()
        assert counted == [("search notes_v1", 1), ("select", 2), ("similar notes_v1", 1)]
        connection.execute("set default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(SEARCH, [INDEX, vector, 3])
