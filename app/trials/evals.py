"""Eval sets: made, listed, deleted; and their questions as vectors."""

from typing import Any

import msgspec
import numpy as np
from psycopg import sql
from psycopg.types.json import Jsonb

from app.catalog.plan import plan_name
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InvalidInputError, NotFoundError
from app.models.embedders import Embedders
from app.models.protocol import Vectors
from app.trials.models import EvalQuery, EvalRequest, EvalSet
from app.trials.plan import plan_part, plan_queries
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.vectors.plan import MAX_HALF
from app.vectors.statements import table
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
EMBEDDED_AT_ONCE = 64
#: What comes before an index's name in the name of the set of its questions that were asked (sql/28_keep_question.sql).
LOG = "asked:"


class EvalId(msgspec.Struct, frozen=True):
    """An eval set's id and the name of its index."""

    id: int
    index: str


class Question(msgspec.Struct, frozen=True):
    """A row of lakeward.eval_query: exactly one of chunk, text and vector is there.

    `model` is the one that a vector was made by, as name_model says it; None: that is not known. `set_version` is that
    of the whole set.
    """

    id: int
    chunk_id: int | None
    question: str | None
    vector: list[float] | None
    relevant: list[str]
    model: str | None
    set_version: str


class Questions(msgspec.Struct, frozen=True):
    """The questions that can be asked now, and their vectors in the same order, as an index compares them.

    A question that was a part of a chunk which is gone is not among them, nor a vector of a model that the index has
    not now: under another model it says nothing. It is asked again when the index has that model again. `version` is
    the set's when they were read.
    """

    questions: list[Question]
    vectors: Vectors
    version: str


async def create_eval(scope: Scope, request: EvalRequest) -> EvalSet:
    """Keep a named set of questions; `scope` is a steward's.

    Raises:
        InvalidNameError: the name cannot be used.
        NotFoundError: no such index.
        InvalidInputError: see plan_queries.
        ConflictError: there is an eval set of that name.
    """
    name = plan_name(request.name, "eval set")
    index = await get_index_row(scope, request.index)
    plan_queries(request.queries, index.dimensions, index.name)
    async with scope.begin() as transaction:
        eval_id = await create_set(transaction, name, index, scope.actor.principal)
        if eval_id is None:
            raise ConflictError(f"eval set {name!r} exists; choose another name, or delete it")
        queries = Jsonb([_without_none(query) for query in request.queries])
        parameters = {"eval_id": eval_id, "queries": queries, "model": name_model(index)}
        await transaction.execute(QUERIES["add_queries"], parameters)
    return await get_eval(scope, name)


def _without_none(query: EvalQuery) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(query).items() if value is not None}


async def create_set(transaction: Transaction, name: str, index: IndexRow, principal: str) -> int | None:
    """The id of a new set without questions, or None when there is one of that name."""
    parameters = {"name": name, "index_id": index.id, "created_by": principal}
    eval_id: int | None = await transaction.fetch_value(QUERIES["create_eval"], parameters)
    return eval_id


def check_same(found: EvalId, name: str, index: IndexRow) -> None:
    """The set asks this index.

    Raises:
        InvalidInputError: it asks another.
    """
    if found.index != index.name:
        raise InvalidInputError(
            f"eval set {name!r} asks index {found.index!r}, not {index.name!r}; truth is an index's own"
        )


async def find_eval(transaction: Transaction, name: str) -> EvalId:
    """The eval set's id.

    Raises:
        NotFoundError: no such eval set.
    """
    found = await transaction.find_one(EvalId, QUERIES["eval_id"], {"name": name})
    if found is None:
        raise NotFoundError(f"no eval set {name[:60]!r}")
    return found


async def require_eval(scope: Scope, name: str, index: IndexRow) -> EvalSet:
    """The eval set, which asks this index.

    Raises:
        NotFoundError: no such eval set.
        InvalidInputError: it asks another index, or nothing.
    """
    found = await get_eval(scope, name)
    check_same(EvalId(id=0, index=found.index), name, index)
    if found.queries == 0:
        raise InvalidInputError(f"eval set {name!r} has no queries any more; generate some")
    return found


async def get_eval(scope: Scope, name: str) -> EvalSet:
    """One eval set.

    Raises:
        NotFoundError: no such eval set.
    """
    found = await find_eval_set(scope, name)
    if found is None:
        raise NotFoundError(f"no eval set {name[:60]!r}")
    return found


async def find_eval_set(scope: Scope, name: str) -> EvalSet | None:
    """One eval set, or None."""
    parameters = {"name": name, "index": None, "after": None, "limit": 1}
    rows = await scope.fetch(EvalSet, QUERIES["evals"], parameters)
    return rows[0] if rows else None


async def list_evals(scope: Scope, index: str | None, limit: int, cursor: str | None) -> Page[EvalSet]:
    """Eval sets by name; never what they ask."""
    after = decode_cursor(cursor, str) if cursor else None
    parameters = {"name": None, "index": index, "after": after, "limit": limit + 1}
    rows = await scope.fetch(EvalSet, QUERIES["evals"], parameters)
    return plan_page(rows, limit, lambda row: row.name)


async def delete_eval(scope: Scope, name: str) -> EvalSet:
    """The set goes with its questions; what was measured with it stays on record.

    Raises:
        NotFoundError: no such eval set.
    """
    found = await get_eval(scope, name)
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["delete_eval"], {"name": name})
    return found


async def read_questions(owner: Scope, embedders: Embedders, index: IndexRow, name: str) -> Questions:
    """The questions of an eval set, embedded as the index's model does; no connection is held meanwhile.

    Raises:
        NotFoundError: no such eval set.
        ConflictError: the configured model is not the index's own.
        InvalidInputError: nothing can be asked any more.
        ProviderError: the model did not answer as it should.
    """
    async with owner.begin() as transaction:
        found = await find_eval(transaction, name)
        questions = await transaction.fetch_all(Question, QUERIES["questions"], {"eval_id": found.id})
        texts = await _read_chunks(transaction, index, questions)
    asked = [
        q
        for q in questions
        if (q.chunk_id is None or q.chunk_id in texts) and (q.vector is None or _is_of_model(q, index))
    ]
    if not asked:
        raise InvalidInputError(_say_why_none(name, index, questions))
    vectors = np.zeros((len(asked), index.dimensions), dtype=np.float32)
    words: list[tuple[int, str]] = []
    for place, question in enumerate(asked):
        if question.vector is not None:
            vectors[place] = question.vector
        elif question.chunk_id is not None:
            words.append((place, plan_part(texts[question.chunk_id], question.chunk_id)))
        else:
            words.append((place, question.question or ""))
    if words:
        await _embed(embedders, index, words, vectors)
    # what is compared is half precision, so that is what truth is about
    halves = vectors.clip(-MAX_HALF, MAX_HALF).astype(np.float16)
    return Questions(questions=asked, vectors=halves.astype(np.float32), version=asked[0].set_version)


def name_model(index: IndexRow) -> str:
    """The index's model in one string, by which a question that is a vector remembers what made it."""
    return f"{index.model_name} ({index.model_version}, {index.provider})"


def _is_of_model(question: Question, index: IndexRow) -> bool:
    # another model of the same length would take the vector, and answer nonsense
    return question.model in (None, name_model(index)) and len(question.vector or []) == index.dimensions


def _say_why_none(name: str, index: IndexRow, questions: list[Question]) -> str:
    vectors = [q.model or "an unknown model" for q in questions if q.vector is not None]
    reasons = []
    if vectors:
        reasons.append(
            f"{len(vectors)} are vectors made by {', '.join(sorted(set(vectors)))}, and the index has "
            f"{name_model(index)} now; they are kept, and asked when it has their model again"
        )
    if gone := sum(question.chunk_id is not None for question in questions):
        reasons.append(f"{gone} were parts of texts that are gone")
    why = "; ".join(reasons) or "there are none any more"
    return f"eval set {name!r} has no queries that can be asked: {why}. Generate some, or give texts"


async def _read_chunks(
    transaction: Transaction, index: IndexRow, questions: list[Question]
) -> dict[int, str]:
    ids = [question.chunk_id for question in questions if question.chunk_id is not None]
    statement = sql.SQL("select chunk_id, content from {} where chunk_id = any(%(ids)s)").format(
        table(index.table_name, "_text")
    )
    rows = await transaction.fetch_all(_Text, statement, {"ids": ids})
    return {row.chunk_id: row.content for row in rows}


class _Text(msgspec.Struct, frozen=True):
    chunk_id: int
    content: str


async def _embed(
    embedders: Embedders, index: IndexRow, words: list[tuple[int, str]], vectors: Vectors
) -> None:
    model = (index.provider, index.model_name, index.model_version, index.dimensions)
    embedder = await embedders.find(*model)
    for start in range(0, len(words), EMBEDDED_AT_ONCE):
        part = words[start : start + EMBEDDED_AT_ONCE]
        vectors[[place for place, _ in part]] = await embedder.embed([text for _, text in part])
