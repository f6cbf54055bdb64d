"""What a version is measured by before it becomes live: its graphs, and its answers beside the live version's."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import numpy as np
from pgvector import HalfVector
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import InvalidInputError
from app.models.embedders import Embedders
from app.models.protocol import Vectors
from app.trials.evals import QUERIES as EVALS
from app.trials.evals import Question, find_eval
from app.trials.plan import plan_part
from app.vectors.activation import Target, activate_index
from app.versions import statements
from app.versions.models import Gate, GraphRecall, Quality, VersionRow
from app.versions.plan import MIN_OWN_ROWS, K, plan_quality

QUERIES = load_queries(__file__)
#: Without an eval set so many parts of chunks are asked.
SAMPLED = 200
#: Of a large eval set so many questions are asked, the judged ones first: each is two exact searches.
MAX_ASKED = 500
EMBEDDED_AT_ONCE = 64
#: Most often the live version answers one of the first few.
LOOKED_AT_ONCE = 8

Tick = Callable[[], Awaitable[None]]


class _Text(msgspec.Struct, frozen=True):
    chunk_id: int
    row_key: str
    content: str

    def ask(self) -> "Asked":
        """A part of it, which should find the row that it is of: a known-item search."""
        return Asked(plan_part(self.content, self.chunk_id), [self.row_key])


class Asked(msgspec.Struct, frozen=True):
    """A question as a text, and the rows that answer it, of those that the index has; none: it judges nothing."""

    text: str
    relevant: list[str]


async def build_graphs(database: Database, owner: Scope, name: str, version: VersionRow) -> list[GraphRecall]:
    """Build, warm and measure the graphs that the live version is searched by, in this version."""
    parameters = {"index": name, "id": version.id}
    recalls = []
    for target in await owner.fetch(Target, QUERIES["graphs"], parameters):
        warmed = await activate_index(database, owner, target)
        recalls.append(
            GraphRecall(
                m=target.m,
                ef_construction=target.ef_construction,
                ef_search=target.ef_search,
                recall=None if warmed.recall is None else warmed.recall.recall,
            )
        )
    return recalls


async def read_asked(scope: Scope, live: VersionRow, eval_name: str | None) -> list[Asked]:
    """The questions of an eval set that are texts, the judged ones first; without one, parts of the index's own chunks.

    `scope` is the owner's or a steward's.

    Raises:
        NotFoundError: no such eval set.
        InvalidInputError: the eval set has no question that is a text.
    """
    async with scope.begin() as transaction:
        if eval_name is None:
            return await _read_own(transaction, live)
        found = await find_eval(transaction, eval_name)
        questions = await transaction.fetch_all(Question, EVALS["questions"], {"eval_id": found.id})
        parts = {"ids": [question.chunk_id for question in questions if question.chunk_id is not None]}
        chunks = await transaction.fetch_all(_Text, statements.chunk_texts(live.table_name), parts)
        keys = {"keys": sorted({key for question in questions for key in question.relevant})}
        present = set(await transaction.fetch_values(statements.present_rows(live.table_name), keys))
    texts = {chunk.chunk_id: chunk for chunk in chunks}
    asked = [question for q in questions if (question := _as_text(q, texts, present)) is not None]
    if not asked:
        raise InvalidInputError(
            f"eval set {eval_name!r} has no question that is a text; vectors are of one model and compare nothing"
        )
    return sorted(asked, key=lambda question: not question.relevant)[:MAX_ASKED]


async def _read_own(transaction: Transaction, live: VersionRow) -> list[Asked]:
    rows = await transaction.fetch_all(_Text, statements.sample_texts(live.table_name, SAMPLED))
    if len({row.row_key for row in rows}) < MIN_OWN_ROWS:
        # among so few any model finds the row
        return [msgspec.structs.replace(row.ask(), relevant=[]) for row in rows]
    return [row.ask() for row in rows]


def _as_text(question: Question, texts: dict[int, _Text], present: set[str]) -> Asked | None:
    if question.question is not None:
        # no model finds a row that is not there; a question that has only such judges nothing
        return Asked(question.question, [key for key in question.relevant if key in present])
    chunk = texts.get(question.chunk_id) if question.chunk_id is not None else None
    return None if chunk is None else chunk.ask()


async def finds_any(
    database: Database, embedders: Embedders, live: VersionRow, asked: Sequence[Asked], tick: Tick
) -> bool:
    """Whether the version answers any of the questions with a row that is relevant; the first that it does is enough.

    Raises:
        ConflictError: its model is not configured.
        ProviderError: its model did not answer.
    """
    owner = database.owner()
    judged = [question for question in asked if question.relevant]
    for first in range(0, len(judged), LOOKED_AT_ONCE):
        part = judged[first : first + LOOKED_AT_ONCE]
        vectors = await _embed(embedders, live, [question.text for question in part], tick)
        answers = await _search(database, owner, live, vectors, tick)
        if any(set(keys) & set(question.relevant) for keys, question in zip(answers, part, strict=True)):
            return True
    return False


async def measure_quality(
    database: Database,
    embedders: Embedders,
    live: VersionRow,
    new: VersionRow,
    asked: Sequence[Asked],
    tick: Tick,
) -> Quality:
    """Both versions asked the same texts, exactly.

    Raises:
        ConflictError: the model of one of them is not configured.
        ProviderError: one of the models did not answer.
    """
    owner = database.owner()
    texts = [question.text for question in asked]
    answers = []
    for version in (live, new):
        vectors = await _embed(embedders, version, texts, tick)
        answers.append(await _search(database, owner, version, vectors, tick))
    return plan_quality(answers[0], answers[1], [question.relevant for question in asked])


async def _embed(embedders: Embedders, version: VersionRow, texts: Sequence[str], tick: Tick) -> Vectors:
    model = (version.provider, version.model_name, version.model_version, version.dimensions)
    embedder = await embedders.find(*model)
    parts = [np.zeros((0, version.dimensions), np.float32)]
    for first in range(0, len(texts), EMBEDDED_AT_ONCE):
        parts.append(await embedder.embed(texts[first : first + EMBEDDED_AT_ONCE]))
        await tick()
    return np.concatenate(parts)


async def _search(
    database: Database, owner: Scope, version: VersionRow, vectors: Vectors, tick: Tick
) -> list[list[str]]:
    statement = statements.nearest_rows(version.table_name, database.deployment.ext_schema, K)
    answers = []
    for vector in vectors:
        async with owner.begin() as transaction:
            parameters = {"vector": HalfVector(vector.astype(np.float16))}
            answers.append(await transaction.fetch_values(statement, parameters))
        await tick()
    return answers


async def keep_gate(owner: Scope, version: VersionRow, gate: Gate) -> None:
    """What was measured stays with the version."""
    async with owner.begin() as transaction:
        parameters = {"id": version.id, "gate": Jsonb(msgspec.to_builtins(gate))}
        await transaction.execute(QUERIES["set_gate"], parameters)
