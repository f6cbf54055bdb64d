"""Citations: numbers in an answer, each of which is a passage that was shown, or is taken out. Pure."""

import re
from collections.abc import Sequence

import msgspec

from app.rag.models import Citation
from app.vectors.models import Passage

_CITED = re.compile(r"\[(\d{1,4})\]")


class Cited(msgspec.Struct, frozen=True):
    """An answer whose numbers are all passages; `invented` are those that were none."""

    answer: str
    citations: list[Citation]
    invented: list[int]


def cite(passage: Passage, n: int) -> Citation:
    """The passage as a citation."""
    return Citation(
        n, passage.hit.doc_key, passage.hit.chunk_no, passage.hit.text, passage.start, passage.end
    )


def plan_citations(answer: str, shown: Sequence[Passage], there: Sequence[Passage]) -> Cited:
    """The answer with the passages it cites, of those shown that are still there; other numbers are taken out."""
    chunks = {passage.chunk_id for passage in there}
    known = {n: passage for n, passage in enumerate(shown, start=1) if passage.chunk_id in chunks}
    found = [int(match[1]) for match in _CITED.finditer(answer)]
    cleaned = _CITED.sub(lambda match: match[0] if int(match[1]) in known else "", answer)
    return Cited(
        answer=cleaned.strip(),
        citations=[cite(known[n], n) for n in sorted(set(found)) if n in known],
        invented=sorted({n for n in found if n not in known}),
    )
