"""An exact search in two statements answers what one statement does, whatever changes between them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app.db.database import Database, open_database
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.service import get_profile
from app.vectors.attempt import _Near
from app.vectors.models import HitRow, SearchAnswer, SearchRequest
from app.vectors.router import APART_US, Choice, Costs
from app.vectors.search import Searcher
from tests.integration.api.conftest import Api, api

__all__ = ["api"]

REQUEST = SearchRequest(index="notes_v1", query="note", k=5, filter={"id": {"$lte": 30}})
#: A distance takes so long that any scan is one of two statements.
SLOW = Costs(distance_us=float(APART_US), check_us=0.1, scan_us=0.1, join_us=0.1, visit_us=1e6)
FAST = Costs(distance_us=0.01, check_us=0.01, scan_us=0.01, join_us=0.01, visit_us=1e6)


@pytest.fixture(scope="module")
def noted(api: Api) -> Api:
    """Forty notes, indexed, and a reader of them."""
    lines = "\n".join(f"{n},note {n}" for n in range(1, 41))
    assert api.ingest("notes", f"id,t\n{lines}\n", row_key="id").status_code == 201
    api.index("notes", "t", name="notes_v1")
    api.profile("reader", "notes")
    with api.deployed.connect("owner") as owner:
        owner.execute("analyze vec.notes_v1")
    return api


@pytest.fixture
async def database(noted: Api) -> AsyncIterator[Database]:
    database = await open_database(noted.deployed.service_dsn, noted.settings)
    yield database
    await database.close()


async def ask(
    database: Database,
    costs: Costs,
    request: SearchRequest = REQUEST,
    after_first: Callable[[], Awaitable[Any]] | None = None,
) -> tuple[SearchAnswer, int]:
    """The answer, and how many statements it took; `after_first` runs between the first and the second."""
    searcher = Searcher(database, Embedders(FakeEmbedder()))
    scope = database.reader((await get_profile(database.steward(), "reader")).role_name)
    await searcher.search(scope, "reader", request)  # the route is remembered then
    searcher._calibration.costs = costs
    sent, fetch = 0, scope.fetch

    async def counting(kind: Any, statement: Any, *args: Any, **more: Any) -> Any:
        nonlocal sent
        rows = await fetch(kind, statement, *args, **more)
        if kind not in (HitRow, _Near):
            return rows
        sent += 1
        if sent == 1 and after_first is not None:
            await after_first()
        return rows

    scope.fetch = counting  # type: ignore[method-assign]
    return await searcher.search(scope, "reader", request), sent


def searches(noted: Api) -> list[tuple[int, list[str]]]:
    with noted.deployed.connect("owner") as connection:
        return connection.execute(
            "select rows, hits from lakeward.audit_entry where door = 'search' order by id"
        ).fetchall()


async def test_two_statements_answer_what_one_does(noted: Api, database: Database) -> None:
    one, sent_one = await ask(database, FAST)
    before = len(searches(noted))
    two, sent_two = await ask(database, SLOW)
    assert (one.method, two.method, sent_one, sent_two) == ("exact", "exact", 1, 2)
    assert [hit.doc_key for hit in two.hits] == [hit.doc_key for hit in one.hits]
    assert two.hits == one.hits and len(two.hits) == 5
    # the first call of `ask` is one, too
    assert searches(noted)[before + 1 :] == [(5, [hit.doc_key for hit in two.hits])]


async def test_a_row_that_goes_between_them_is_not_answered_and_another_takes_its_place(
    noted: Api, database: Database
) -> None:
    whole, _ = await ask(database, FAST)
    gone = int(whole.hits[1].doc_key or 0)

    async def bury() -> None:
        body = {"row_key_column": "id", "row_key_values": [gone], "reason": "left"}
        assert noted.admin.post("/catalog/datasets/by-name/notes/tombstone", json=body).status_code == 200

    before = len(searches(noted))
    answer, sent = await ask(database, SLOW, after_first=bury)
    keys = [hit.doc_key for hit in answer.hits]
    assert sent == 3 and str(gone) not in keys and len(keys) == 5
    assert [key for key in keys if key in {hit.doc_key for hit in whole.hits}] == [
        hit.doc_key for hit in whole.hits if hit.doc_key != str(gone)
    ]
    assert searches(noted)[before + 1 :] == [(5, keys)]


async def test_a_row_that_leaves_the_filter_between_them_is_not_answered(
    noted: Api, database: Database
) -> None:
    whole, _ = await ask(database, FAST)
    moved = int(whole.hits[0].doc_key or 0)

    async def move() -> None:
        async with database.owner().begin() as transaction:
            await transaction.execute("update lake.notes set id = 1000 + id where id = %s", [moved])

    answer, _ = await ask(database, SLOW, after_first=move)
    assert not {str(moved), str(1000 + moved)} & {hit.doc_key for hit in answer.hits}
    assert len(answer.hits) == 5


async def test_nothing_that_meets_the_filter_is_an_empty_answer(noted: Api, database: Database) -> None:
    nothing = SearchRequest(index="notes_v1", query="note", k=5, filter={"id": -1})
    answer, _ = await ask(database, SLOW, nothing)
    assert (answer.hits, answer.returned, answer.truncated) == ([], 0, False)


def test_a_choice_of_two_statements_is_of_exact_searches_only() -> None:
    assert not Choice("hnsw").apart
