"""What a version is measured by before it becomes live: its graphs, and its answers beside the live version's."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
import numpy as np
from pgvector import HalfVector
from psycopg import sql
from psycopg.types.json import Jsonb

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope
from app.errors import InvalidInputError
from app.models.embedders import Embedders
from app.models.protocol import Vectors
from app.trials.evals import QUERIES as EVALS
from app.trials.evals import Question, find_eval
from app.trials.plan import plan_part
from app.vectors.activation import Target, activate_index
from app.vectors.statements import table
from app.versions import statements
from app.versions.models import Gate, GraphRecall, Quality, VersionRow
from app.versions.plan import K, plan_quality

QUERIES = load_queries(__file__)
#: Without an eval set so many parts of chunks are asked.
SAMPLED = 60
#: Of a large eval set so many questions are asked, the judged ones first: each is two exact searches.
MAX_ASKED = 500
EMBEDDED_AT_ONCE = 64

Tick = Callable[[], Awaitable[None]]


class _Text(msgspec.Struct, frozen=True):
    chunk_id: int
    content: str


class _Asked(msgspec.Struct, frozen=True):
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


async def measure_quality(
    database: Database,
    embedders: Embedders,
    live: VersionRow,
    new: VersionRow,
    eval_name: str | None,
    tick: Tick,
) -> Quality:
    """Both versions asked the same texts, exactly; without an eval set, parts of the index's own chunks.

    Raises:
        NotFoundError: no such eval set.
        InvalidInputError: the eval set has no question that is a text.
        ConflictError: the model of one of them is not configured.
        ProviderError: one of the models did not answer.
    """
    owner = database.owner()
    asked = await _read_asked(owner, live, eval_name)
    texts = [question.text for question in asked]
    answers = []
    for version in (live, new):
        vectors = await _embed(embedders, version, texts, tick)
        answers.append(await _search(database, owner, version, vectors, tick))
    return plan_quality(answers[0], answers[1], [question.relevant for question in asked])


async def _read_asked(owner: Scope, live: VersionRow, eval_name: str | None) -> list[_Asked]:
    async with owner.begin() as transaction:
        if eval_name is None:
            sample = statements.sample_texts(live.table_name, SAMPLED)
            rows = await transaction.fetch_all(_Text, sample)
            return [_Asked(plan_part(row.content, row.chunk_id), []) for row in rows]
        found = await find_eval(transaction, eval_name)
        questions = await transaction.fetch_all(Question, EVALS["questions"], {"eval_id": found.id})
        ids = [question.chunk_id for question in questions if question.chunk_id is not None]
        statement = sql.SQL("select chunk_id, content from {} where chunk_id = any(%(ids)s)").format(
            table(live.table_name, "_text")
        )
        contents = {
            row.chunk_id: row.content for row in await transaction.fetch_all(_Text, statement, {"ids": ids})
        }
    asked = [question for q in questions if (question := _as_text(q, contents)) is not None]
    if not asked:
        raise InvalidInputError(
            f"eval set {eval_name!r} has no question that is a text; vectors are of one model and compare nothing"
        )
    return sorted(asked, key=lambda question: not question.relevant)[:MAX_ASKED]


def _as_text(question: Question, contents: dict[int, str]) -> _Asked | None:
    if question.question is not None:
        return _Asked(question.question, question.relevant)
    if question.chunk_id in contents:
        assert question.chunk_id is not None
        return _Asked(plan_part(contents[question.chunk_id], question.chunk_id), question.relevant)
    return None


async def _embed(embedders: Embedders, version: VersionRow, texts: Sequence[str], tick: Tick) -> Vectors:
    embedder = await embedders.find(version.provider, version.model_name, version.model_version)
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
