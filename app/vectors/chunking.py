"""How a row becomes text, and a text becomes chunks. Pure."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from semantic_text_splitter import TextSplitter

from app.errors import InvalidInputError

MIN_SIZE, MAX_SIZE = 50, 20_000
#: The splitter's time grows with the square of what it is given (0.7 s for 400,000 characters of one line, 10 s for
#: 1.5 million), so it is given windows of this many characters, or of 8 chunks where those are larger.
WINDOW, CHUNKS_PER_WINDOW = 16_000, 8


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a text: `text == source[start:end]`, counted in Unicode characters."""

    no: int
    start: int
    end: int
    text: str


def compose_text(values: Mapping[str, object], columns: Iterable[str]) -> str:
    """The text of a row to embed: the columns that have one, in the order of `columns`, a line each.

    Nulls, absent columns and blank texts are left out; lists are joined by ", "; objects are written as JSON.
    """
    texts = (_text_of(values.get(column)) for column in columns)
    return "\n".join(text for text in texts if text.strip())


def plan_chunks(text: str, size: int = 1000, overlap: int = 100) -> tuple[Chunk, ...]:
    """The chunks of a text in order, each at most `size` characters, cut at the largest unit that fits.

    Paragraphs before sentences, before words, before characters. Neighbours share up to `overlap` characters.
    Every character that is not white space is in some chunk, no chunk begins or ends with white space, and a
    blank text has none.

    Raises:
        InvalidInputError: a size or an overlap out of range, or a text with a lone surrogate.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise InvalidInputError(
            f"chunk.size must be between {MIN_SIZE} and {MAX_SIZE} characters, not {size}"
        )
    if not 0 <= overlap < size:
        raise InvalidInputError(
            f"chunk.overlap must be at least 0 and below chunk.size ({size}), not {overlap}"
        )
    # Most rows are short, and for them the splitter would answer just this.
    pieces = [(0, text)] if len(text) <= size else _split(text, size, overlap)
    chunks: list[Chunk] = []
    for offset, piece in pieces:
        # Python's white space is wider than the splitter's by U+001C to U+001F.
        stripped = piece.strip()
        start = offset + len(piece) - len(piece.lstrip())
        end = start + len(stripped)
        # With overlap one chunk may lie inside its neighbour; the larger of the two is enough.
        if not stripped or (chunks and end <= chunks[-1].end):
            continue
        if chunks and start <= chunks[-1].start:
            chunks.pop()
        chunks.append(Chunk(no=len(chunks), start=start, end=end, text=stripped))
    return tuple(chunks)


def _split(text: str, size: int, overlap: int) -> list[tuple[int, str]]:
    """The splitter's chunks with their offsets, window by window.

    The last chunk of a window may be cut by the window's end, so the next window begins with it.
    """
    splitter, window = _splitter(size, overlap), max(WINDOW, CHUNKS_PER_WINDOW * size)
    kept: list[tuple[int, str]] = []
    start = 0
    while start < len(text):
        end = start + window
        try:
            found = [(start + offset, piece) for offset, piece in splitter.chunk_indices(text[start:end])]
        except UnicodeEncodeError as exc:
            raise InvalidInputError("a text to cut into chunks is not Unicode text") from exc
        if found and end < len(text) and found[-1][0] > start:
            start = found.pop()[0]
        elif found and end < len(text):
            # One chunk and then white space up to the window's end.
            start += len(found[0][1])
        else:
            start = end
        kept.extend(found)
    return kept


@lru_cache(maxsize=64)
def _splitter(size: int, overlap: int) -> TextSplitter:
    return TextSplitter(size, overlap=overlap)


def _text_of(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(text for text in map(_text_of, value) if text)
        case dict():
            return msgspec.json.encode(value).decode()
    return str(value)
