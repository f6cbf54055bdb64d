"""Registered adapters: learnt from an eval set, listed, deleted, and found for the indexes that have them."""

import asyncio

import msgspec
import numpy as np
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from app.catalog.plan import plan_name
from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Actor, Scope
from app.errors import ConflictError, InUseError, InvalidInputError, NotFoundError
from app.jobs.queue import JobContext
from app.jobs.service import defer_job
from app.models.adapter import MIN_PAIRS, Adapter, Trained, hash_matrix, train_adapter
from app.models.embedders import Embedders, Source
from app.models.protocol import ModelInfo, Vectors
from app.trials.evals import Questions, get_eval, read_questions
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.versions import statements
from app.versions.models import AdapterAccepted, AdapterPlan, AdapterRequest, AdapterRow, HeldOut
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)


class _Matrix(msgspec.Struct, frozen=True):
    provider: str
    model_name: str
    model_version: str
    dimensions: int
    matrix: bytes


class _Vector(msgspec.Struct, frozen=True):
    key: str
    embedding: HalfVector


def adapter_source(database: Database) -> Source:
    """What `Embedders` asks for adapters: those that are registered in this database."""

    async def find(provider: str, name: str, version: str) -> Adapter | None:
        if "+" not in name:
            return None
        parameters = {"provider": provider, "name": name, "version": version}
        rows = await database.owner().fetch(_Matrix, QUERIES["find_matrix"], parameters)
        if not rows:
            return None
        row = rows[0]
        return Adapter(
            base=ModelInfo(row.provider, row.model_name, row.model_version, row.dimensions),
            info=ModelInfo(provider, name, version, row.dimensions),
            matrix=np.frombuffer(row.matrix, dtype="<f4").reshape(row.dimensions, row.dimensions),
        )

    return find


async def defer_adapter(scope: Scope, request: AdapterRequest) -> AdapterAccepted:
    """Have an adapter learnt; `scope` is a steward's.

    Raises:
        InvalidNameError: the name cannot be used.
        NotFoundError: no such eval set.
        InvalidInputError: too few of its questions have relevant rows, its index has an adapter already, or it is not
            an eval set that is to be learnt from.
        ConflictError: there is an adapter of that name.
    """
    if request.eval is None or request.index is not None:
        raise InvalidInputError("say either `eval`, or `index` and `pairs`")
    name = await plan_new_name(scope, request.name)
    found = await get_eval(scope, request.eval)
    index = await get_index_row(scope, found.index)
    if found.judged < MIN_PAIRS:
        raise InvalidInputError(
            f"{found.judged} questions of eval set {found.name!r} have relevant rows; {MIN_PAIRS} are needed to learn"
        )
    refuse_adapted(index)
    plan = AdapterPlan(name=name, eval=found.name, index=index.name, principal=scope.actor.principal)
    async with scope.begin() as transaction:
        job_id = await defer_job(
            transaction,
            kind="adapter",
            subject=name,
            args=msgspec.to_builtins(plan),
            unit="steps",
            lock=f"adapter:{name}",
            created_by=scope.actor.principal,
        )
    return AdapterAccepted(job_id=job_id, name=name, model=f"{index.model_name}+{name}")


async def plan_new_name(scope: Scope, name: str) -> str:
    """The name, when it can be an adapter's and is none's.

    Raises:
        InvalidNameError: the name cannot be used.
        ConflictError: there is an adapter of that name.
    """
    name = plan_name(name, "adapter")
    if (await list_adapters(scope, 1, None, name=name)).items:
        raise ConflictError(f"adapter {name!r} exists; choose another name, or delete it")
    return name


def refuse_adapted(index: IndexRow) -> None:
    """Nothing, when an adapter can be learnt over the index's model.

    Raises:
        InvalidInputError: it has an adapter.
    """
    if "+" in index.model_name:
        raise InvalidInputError(
            f"index {index.name!r} has an adapter; one is learnt over the model itself, so use an index of that"
        )


async def run_adapter(context: JobContext, embedders: Embedders, plan: AdapterPlan) -> AdapterRow:
    """Learn the adapter from the eval set's questions and the vectors that the index has of their rows; register it.

    Raises:
        NotFoundError: the eval set or its index is gone.
        InvalidInputError: too few pairs are there.
        ProviderError: the model did not embed the questions.
    """
    owner = context.database.owner(Actor(principal=plan.principal, source="job:adapter"))
    index = await get_index_row(owner, plan.index)
    questions = await read_questions(owner, embedders, index, plan.eval)
    await context.report(1, 3)
    pairs = await _read_pairs(owner, index, questions)
    trained = await asyncio.to_thread(train_adapter, *pairs)
    await context.report(2, 3)
    adapter = await register_adapter(owner, plan.name, index, trained)
    await context.report(3, 3)
    return adapter


async def register_adapter(owner: Scope, name: str, index: IndexRow, trained: Trained) -> AdapterRow:
    """What was learnt over the index's model, under this name; when the name is taken, what has it."""
    async with owner.begin() as transaction:
        await transaction.execute(
            QUERIES["register_adapter"], _describe(name, owner.actor.principal, index, trained)
        )
    return await get_adapter(owner, name)


async def _read_pairs(
    owner: Scope, index: IndexRow, questions: Questions
) -> tuple[Vectors, Vectors, np.ndarray]:
    """Vectors of length 1: each judged question with the nearest chunk of each row that is relevant to it."""
    keys = sorted({key for question in questions.questions for key in question.relevant})
    rows = await owner.fetch(_Vector, statements.row_vectors(index.table_name), {"keys": keys})
    passages = np.array([row.embedding.to_numpy() for row in rows], np.float32)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.key, []).append(place)
    asked, answers = [], []
    for vector, question in zip(questions.vectors, questions.questions, strict=True):
        for key in question.relevant:
            if chunks := places.get(key):
                asked.append(vector)
                answers.append(chunks[int(np.argmax(passages[chunks] @ vector))])
    if len(asked) < MIN_PAIRS:
        raise InvalidInputError(
            f"{len(asked)} pairs of a question and a row that the index has are too few; {MIN_PAIRS} are needed"
        )
    return scale(np.array(asked, np.float32)), scale(passages), np.array(answers)


def scale(vectors: Vectors) -> Vectors:
    """Each vector of length 1."""
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def _describe(name: str, principal: str, index: IndexRow, trained: Trained) -> dict[str, object]:
    held_out = HeldOut(pairs=trained.held_out, before=trained.before, after=trained.after)
    return {
        "name": name,
        "provider": index.provider,
        "model_name": index.model_name,
        "model_version": index.model_version,
        "dimensions": index.dimensions,
        "matrix": np.ascontiguousarray(trained.matrix, dtype="<f4").tobytes(),
        "version": hash_matrix(trained.matrix),
        "trained_on": trained.trained_on,
        "held_out": Jsonb(msgspec.to_builtins(held_out)),
        "created_by": principal,
    }


async def list_adapters(
    scope: Scope, limit: int, cursor: str | None, *, name: str | None = None
) -> Page[AdapterRow]:
    """Adapters by name, and the indexes that have them."""
    after = decode_cursor(cursor, str) if cursor else None
    parameters = {"name": name, "after": after, "limit": limit + 1}
    rows = await scope.fetch(AdapterRow, QUERIES["adapters"], parameters)
    return plan_page(rows, limit, lambda row: row.name)


async def get_adapter(scope: Scope, name: str) -> AdapterRow:
    """One adapter.

    Raises:
        NotFoundError: no such adapter.
    """
    page = await list_adapters(scope, 1, None, name=name)
    if not page.items:
        raise NotFoundError(f"no adapter {name[:60]!r}")
    return page.items[0]


async def delete_adapter(scope: Scope, name: str) -> AdapterRow:
    """It goes, when no version of an index has it.

    Raises:
        NotFoundError: no such adapter.
        InUseError: an index has it, or can go back to it.
    """
    found = await get_adapter(scope, name)
    async with scope.begin() as transaction:
        if await transaction.execute(QUERIES["delete_adapter"], {"name": name}) == 0:
            used = ", ".join(found.used_by) or "an index"
            raise InUseError(
                f"adapter {name!r} makes the vectors of {used}, or of a version of it; move that to another "
                "model first",
                used_by=found.used_by,
            )
    return found
