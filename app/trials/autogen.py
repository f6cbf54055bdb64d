"""Eval sets that nobody has to write: made of an index's own rows, or of what was asked of it last."""

import msgspec
from psycopg import sql

from app.catalog.plan import plan_name
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InvalidInputError
from app.trials.evals import LOG, check_same, create_set, find_eval, get_eval
from app.trials.models import AutogenRequest, EvalSet
from app.vectors.indexing import get_index_row
from app.vectors.models import IndexRow
from app.vectors.statements import table

QUERIES = load_queries(__file__)


class Made(msgspec.Struct, frozen=True):
    """A question as it is kept: a part of a chunk, or a text; neither where a vector was given."""

    chunk_id: int | None = None
    question: str | None = None


async def generate_eval(scope: Scope, name: str, request: AutogenRequest, keep_questions: int = 0) -> EvalSet:
    """A set of questions made of the index's own rows, or from the log of those that were asked last.

    Each is a part of a chunk's text, and of the chunk only its id is kept. A set that is there and has other questions
    is left alone, unless these shall `replace` all of them. `scope` is a steward's; `keep_questions` is the
    setting's, which says why the log has none.

    Raises:
        InvalidNameError, NotFoundError: as create_eval.
        InvalidInputError: the index has no chunks, the set is another index's, or no questions are kept.
        ConflictError: the set has other questions.
    """
    plan_name(name, "eval set")
    index = await get_index_row(scope, request.index)
    async with scope.begin() as transaction:
        eval_id = await create_set(transaction, name, index, scope.actor.principal)
        there: list[Made] = []
        if eval_id is None:
            # of two at once the second sees what the first has made
            await transaction.execute(QUERIES["lock_eval"], {"name": name})
            found = await find_eval(transaction, name)
            check_same(found, name, index)
            eval_id = found.id
            there = await transaction.fetch_all(Made, QUERIES["made"], {"eval_id": eval_id})
        if request.source == "log":
            made = await _pick_asked(transaction, index, request.queries, keep_questions)
        else:
            made = await _pick_rows(transaction, index, request.queries)
        # the same questions stay what they are, and what was measured with them compares
        if len(there) != len(made) or set(there) != set(made):
            if there and not request.replace:
                raise ConflictError(_say_what_is_there(name, there))
            parameters = {
                "eval_id": eval_id,
                "chunk_ids": [one.chunk_id for one in made],
                "questions": [one.question for one in made],
            }
            await transaction.execute(QUERIES["replace_queries"], parameters)
    return await get_eval(scope, name)


def _say_what_is_there(name: str, there: list[Made]) -> str:
    generated = sum(one.chunk_id is not None for one in there)
    given = len(there) - generated
    return (
        f"eval set {name!r} has other questions: {generated:,} made of rows, {given:,} that were given or asked. "
        "Choose another name, or replace all of them (replace: true, --replace); what was measured with them stays on "
        "record, and does not compare with what is measured afterwards"
    )


async def _pick_rows(transaction: Transaction, index: IndexRow, count: int) -> list[Made]:
    # spread by a hash of the id, so that it is the same set as long as the chunks are
    chunk_ids = await transaction.fetch_values(
        sql.SQL("select chunk_id from {} order by hashint8extended(chunk_id, 1), chunk_id limit {}").format(
            table(index.table_name), sql.Literal(count)
        )
    )
    if not chunk_ids:
        raise InvalidInputError(f"index {index.name!r} has no chunks yet, so there is nothing to ask for")
    return [Made(chunk_id=chunk_id) for chunk_id in chunk_ids]


async def _pick_asked(transaction: Transaction, index: IndexRow, count: int, keep: int) -> list[Made]:
    parameters = {"log": f"{LOG}{index.name}", "count": count}
    questions = await transaction.fetch_values(QUERIES["asked"], parameters)
    if not questions and keep:
        raise InvalidInputError(
            f"no questions to index {index.name!r} are kept: none was asked of it yet by text, or none since the log "
            f"was deleted (audit.keep_questions is {keep:,}). Try again when some were, or use source 'rows'"
        )
    if not questions:
        raise InvalidInputError(
            f"no questions to index {index.name!r} are kept, since they may name people: set audit.keep_questions to "
            "how many shall be, and try again when some were asked by text; or use source 'rows'"
        )
    return [Made(question=question) for question in questions]
