"""Citations: numbers in an answer, each of which is a passage that was shown, or is taken out. Pure."""

import re
from collections.abc import Collection, Sequence

import msgspec

from app.rag.models import Citation
from app.vectors.models import Passage

_BRACKETS = re.compile(r"([\[\]])")
_DASH = "\\-\u2010-\u2015\u2212"
#: What a list of numbers is made of, in any script's digits.
_LIST = re.compile(rf"(?:[\s\d,;&{_DASH}]|\band\b|\bto\b)*+", re.IGNORECASE)
_ITEM = re.compile(rf"(\d+)(?:\s*(?:[{_DASH}]|to)\s*(\d+))?", re.IGNORECASE)
#: Looks like a range and is none.
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d\s*")
#: Above every passage. What has more digits is this number: Python refuses to read thousands of them.
_LARGEST, _MAX_DIGITS = 10**9, 9


class Cited(msgspec.Struct, frozen=True):
    """An answer whose numbers are all passages; `invented` are those that were none, of a range its ends."""

    answer: str
    citations: list[Citation]
    invented: list[int]


class _Bracket(msgspec.Struct):
    """One that is open: where in the pieces it begins, and what has been read in it."""

    start: int
    numbers: bool = False
    other: bool = False


def cite(passage: Passage, n: int) -> Citation:
    """The passage as a citation."""
    return Citation(
        n, passage.hit.doc_key, passage.hit.chunk_no, passage.hit.text, passage.start, passage.end
    )


def plan_citations(answer: str, shown: Sequence[Passage], there: Sequence[Passage]) -> Cited:
    """The answer with the passages it cites, of those shown that are still there; other numbers are taken out.

    Lists and ranges are written anew, a number in each bracket: [1, 3-4] becomes [1][3][4].
    """
    chunks = {passage.chunk_id for passage in there}
    known = {n: passage for n, passage in enumerate(shown, start=1) if passage.chunk_id in chunks}
    cleaned, found = _clean(answer, known, len(shown))
    return Cited(
        answer=cleaned.strip(),
        citations=[cite(known[n], n) for n in sorted(found) if n in known],
        invented=sorted(found - known.keys()),
    )


def _clean(answer: str, known: Collection[int], shown: int) -> tuple[str, set[int]]:
    """The answer with known numbers only, and all numbers that were in it.

    Brackets are read from the inside out, in one pass, so that what is left when [99] goes out of [[99]98] is read,
    too, however deep it is.
    """
    pieces: list[str] = []
    opened: list[_Bracket] = []
    found: set[int] = set()
    for token in _BRACKETS.split(answer):
        if token == "[":
            opened.append(_Bracket(len(pieces)))
        elif token == "]" and opened:
            bracket = opened.pop()
            if bracket.numbers and not bracket.other:
                numbers = _list_numbers("".join(pieces[bracket.start + 1 :]), shown)
                found.update(numbers)
                del pieces[bracket.start :]
                token = "".join(f"[{n}]" for n in numbers if n in known)
                bracket.numbers = bool(token)
            if opened:
                # what is left and right of what went is to be no new word
                token = token or " "
                opened[-1].numbers |= bracket.numbers
                opened[-1].other |= bracket.other
        elif opened:
            opened[-1].numbers |= any(map(str.isdecimal, token))
            opened[-1].other |= _LIST.fullmatch(token) is None or _DATE.fullmatch(token) is not None
        pieces.append(token)
    return "".join(pieces), found


def _list_numbers(text: str, shown: int) -> list[int]:
    """The numbers of a list in their order; of a range its ends and the passages between them."""
    numbers: dict[int, None] = {}
    for match in _ITEM.finditer(text):
        low, high = sorted(_read(digits) for digits in (match[1], match[2] or match[1]))
        inside = range(max(low, 1), min(high, shown) + 1)
        numbers.update(dict.fromkeys(sorted({low, *inside, high})))
    return list(numbers)


def _read(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else _LARGEST
