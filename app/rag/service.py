"""A question is searched as the profile, answered by a model from what was found, and its citations are checked."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeAlias

import msgspec

from app.db.database import Database
from app.db.scope import Scope
from app.errors import InvalidInputError, LakewardError, NotFoundError, ProviderError
from app.journal.audit import Call, record_call
from app.models.protocol import Generator
from app.rag.citations import cite, plan_citations
from app.rag.models import Citation, RagAnswer, RagRequest
from app.rag.prompt import plan_context, plan_messages
from app.vectors.models import Passage, SearchRequest
from app.vectors.plan import MAX_QUERY_CHARACTERS
from app.vectors.search import Found, Searcher

log = logging.getLogger(__name__)
NO_MODEL = (
    "no model is configured that writes answers (models.generate): these are the passages that were found"
)
FOUND = "these are the passages that were found"
NOTHING = "nothing was found that the profile may see"
GONE = "rows were deleted or changed while the answer was written, so it is withheld: ask again"
#: More than a model says in answer_tokens; what goes on longer is cut.
MAX_ANSWER_CHARACTERS = 100_000
CUT = f"the answer is longer than {MAX_ANSWER_CHARACTERS:,} characters: the rest is cut off"
#: How many of the numbers that are no passage the note names.
MAX_NAMED = 20


class Retrieved(msgspec.Struct, frozen=True):
    """The passages are found and numbered; the answer is still to be written."""

    citations: list[Citation]


class Token(msgspec.Struct, frozen=True):
    """A piece of the answer as the model writes it; its numbers are not checked yet."""

    text: str


Step: TypeAlias = Retrieved | Token | RagAnswer


class _Written(msgspec.Struct):
    """What the model wrote so far; while `failure` is not None there is no answer, and that is why."""

    failure: str | None
    text: str = ""
    cut: bool = False


class Rag:
    """Answers questions. The model may be None."""

    def __init__(self, database: Database, searcher: Searcher, generator: Generator | None) -> None:
        self.generator = generator
        self._database = database
        self._searcher = searcher

    async def answer(self, scope: Scope, profile: str | None, request: RagRequest) -> RagAnswer:
        """The answer with citations, each a passage that the profile may still see when it is given.

        A model that is missing, fails or says nothing leaves the passages and a note.

        Raises:
            InvalidInputError: the question is empty or too long; and as Searcher.search.
        """
        async for step in self.steps(scope, profile, request):
            if isinstance(step, RagAnswer):
                return step
        raise AssertionError("an answer is the last step")

    async def steps(
        self, scope: Scope, profile: str | None, request: RagRequest
    ) -> AsyncGenerator[Step, None]:
        """The same, as it comes: what was found, the model's words, the answer."""
        started = time.perf_counter()
        question = _check_question(request.question)
        found = await self._searcher.find(
            scope,
            profile,
            SearchRequest(
                index=request.index,
                query=question,
                k=request.k,
                filter=request.filter,
                mode=request.mode,
                rerank=request.rerank,
            ),
        )
        shown = plan_context(found.passages, request.context_tokens)
        yield Retrieved([cite(passage, n) for n, passage in enumerate(shown, start=1)])
        written = _Written(failure=NO_MODEL if shown else NOTHING)
        if shown and self.generator is not None:
            await self._record(scope, found, request, self.generator)
            async with aclosing(self._write(self.generator, question, shown, request, written)) as pieces:
                async for piece in pieces:
                    yield Token(piece)
        yield await self._finish(found, shown, written, started)

    async def _write(
        self,
        generator: Generator,
        question: str,
        shown: list[Passage],
        request: RagRequest,
        written: "_Written",
    ) -> AsyncGenerator[str, None]:
        messages = plan_messages(question, shown, request.context_tokens, secrets.token_hex(8))
        try:
            async with aclosing(generator.generate(messages, request.answer_tokens)) as pieces:
                async for piece in pieces:
                    kept = piece[: MAX_ANSWER_CHARACTERS - len(written.text)]
                    written.text += kept
                    yield kept
                    if len(kept) < len(piece):
                        written.cut = True
                        break
        except ProviderError as exc:
            log.warning("rag: %s", exc.message)
            written.failure = f"{exc.for_readers}; {FOUND}"
            return
        empty = f"the model {generator.model} gave no usable answer: it is empty; {FOUND}"
        written.failure = None if written.text.strip() else empty

    async def _finish(
        self, found: Found, shown: list[Passage], written: "_Written", started: float
    ) -> RagAnswer:
        there = await self._list_there(found)
        if written.failure is not None:
            kept = {passage.chunk_id for passage in there}
            citations = [cite(p, n) for n, p in enumerate(shown, start=1) if p.chunk_id in kept]
            return self._answer(None, citations, shown, written.failure, started)
        if len(there) < len(found.passages) and {p.chunk_id for p in shown} - {p.chunk_id for p in there}:
            # the model may have put words of a row into the answer that the profile may no longer see
            return self._answer(None, [], shown, GONE, started)
        cited = plan_citations(written.text, shown, there)
        notes = [CUT] if written.cut else []
        if cited.invented:
            named = ", ".join(map(str, cited.invented[:MAX_NAMED]))
            more = ", \u2026" if len(cited.invented) > MAX_NAMED else ""
            notes.append(f"the model cited {named}{more}, which is no passage: taken out")
        elif not cited.citations:
            notes.append("the answer cites no passage: nothing vouches for it")
        return self._answer(cited.answer, cited.citations, shown, "; ".join(notes) or None, started)

    async def _list_there(self, found: Found) -> list[Passage]:
        try:
            return await found.list_there()
        except (LakewardError, NotFoundError) as exc:
            # the profile, the index or the right to it went meanwhile: then nothing is there any more
            log.info("rag: %s", exc.message)
            return []

    def _answer(
        self,
        answer: str | None,
        citations: list[Citation],
        shown: list[Passage],
        note: str | None,
        started: float,
    ) -> RagAnswer:
        return RagAnswer(
            answer=answer,
            citations=citations,
            model=self.generator.model if self.generator is not None and answer is not None else None,
            retrieved=len(shown),
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            note=note,
        )

    async def _record(self, scope: Scope, found: Found, request: RagRequest, generator: Generator) -> None:
        """The search is on record; that its texts go to a model, and to which, is put there, too."""
        call = Call(
            door="rag",
            operation=f"generate {generator.model}"[:200],
            relations=[found.source],
            arguments=msgspec.json.encode(request),
        )
        await record_call(self._database, scope, call, rows=len(found.passages))


def _check_question(question: str) -> str:
    if not question.strip():
        raise InvalidInputError("question is empty; ask something")
    if len(question) > MAX_QUERY_CHARACTERS:
        raise InvalidInputError(f"question is longer than {MAX_QUERY_CHARACTERS} characters")
    try:
        question.encode()
    except UnicodeEncodeError:
        raise InvalidInputError("question is not Unicode text") from None
    return question
