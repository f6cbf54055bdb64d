"""A question is searched as the profile, answered by a model from what was found, and its citations are checked."""

import logging
import secrets
import time
from collections.abc import AsyncGenerator
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
NOTHING = "nothing was found that the profile may see"
GONE = "rows were deleted or changed while the answer was written, so it is withheld: ask again"
#: More than a model says in answer_tokens; what goes on longer is cut.
MAX_ANSWER_CHARACTERS = 100_000
#: How many of the numbers that are no passage the note names.
MAX_NAMED = 20


class Retrieved(msgspec.Struct, frozen=True):
    """The passages are found and numbered; the answer is still to be written."""

    citations: list[Citation]


class Token(msgspec.Struct, frozen=True):
    """A piece of the answer as the model writes it; its numbers are not checked yet."""

    text: str


Step: TypeAlias = Retrieved | Token | RagAnswer


class Rag:
    """Answers questions. The model may be None."""

    def __init__(self, database: Database, searcher: Searcher, generator: Generator | None) -> None:
        self.generator = generator
        self._database = database
        self._searcher = searcher

    async def answer(self, scope: Scope, profile: str | None, request: RagRequest) -> RagAnswer:
        """The answer with citations, each a passage that the profile may still see when it is given.

        A model that is missing or fails leaves the passages and a note.

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
        written, note = "", NO_MODEL if shown else NOTHING
        if shown and self.generator is not None:
            await self._record(scope, found, request, self.generator)
            pieces = self._write(self.generator, question, shown, request)
            try:
                async for piece in pieces:
                    written += piece
                    yield Token(piece)
                note = ""
            except ProviderError as exc:
                log.warning("rag: %s", exc.message)
                written, note = "", f"{exc.for_readers}; these are the passages that were found"
            finally:
                await pieces.aclose()
        yield await self._finish(found, shown, written, note, started)

    async def _write(
        self, generator: Generator, question: str, shown: list[Passage], request: RagRequest
    ) -> AsyncGenerator[str, None]:
        messages = plan_messages(question, shown, request.context_tokens, secrets.token_hex(8))
        size = 0
        pieces = generator.generate(messages, request.answer_tokens)
        try:
            async for piece in pieces:
                size += len(piece)
                if size > MAX_ANSWER_CHARACTERS:
                    return
                yield piece
        finally:
            await pieces.aclose()

    async def _finish(
        self, found: Found, shown: list[Passage], written: str, note: str, started: float
    ) -> RagAnswer:
        there = await self._list_there(found)
        if note:
            kept = {passage.chunk_id for passage in there}
            citations = [cite(p, n) for n, p in enumerate(shown, start=1) if p.chunk_id in kept]
            return self._answer(None, citations, shown, note, started)
        if len(there) < len(found.passages) and {p.chunk_id for p in shown} - {p.chunk_id for p in there}:
            # the model may have put words of a row into the answer that the profile may no longer see
            return self._answer(None, [], shown, GONE, started)
        cited = plan_citations(written, shown, there)
        if cited.invented:
            named = ", ".join(map(str, cited.invented[:MAX_NAMED]))
            more = ", \u2026" if len(cited.invented) > MAX_NAMED else ""
            note = f"the model cited {named}{more}, which is no passage: taken out"
        elif not cited.citations:
            note = "the answer cites no passage: nothing vouches for it"
        return self._answer(cited.answer, cited.citations, shown, note or None, started)

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
