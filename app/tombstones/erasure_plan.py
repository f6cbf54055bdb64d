"""Pure decisions of an erasure: its steps, what of a subject can be searched for, and what WAL may stay."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import numpy as np

from app.tombstones.scan import MIN_BYTES, Pattern

Step = Literal[
    "collect", "scan_before", "purge", "wait", "rewrite", "turn_over_wal", "scan_after", "write_receipt"
]
STEPS: tuple[Step, ...] = get_args(Step)
#: A dry run looks, and changes nothing.
DRY_STEPS: tuple[Step, ...] = ("collect", "scan_before")
#: What a run that found bytes at its end begins again with: the subjects' rows are gone already.
AGAIN: Step = "wait"

#: A longer value is searched by pieces: TOAST cuts it every 1996 bytes, WAL at every page.
PIECE_BYTES = 64
MAX_PIECES = 12
#: Bytes of one kind in a row occur by chance, however many they are.
MIN_DISTINCT = 4
#: Half a page, less than a TOAST chunk: a vector's bytes lie together that far.
VECTOR_BYTES = 1900
MIN_VECTOR_INFORMATION = 8

#: Types of a column whose values are searched as they are written. Numbers and dates occur by chance.
TEXT_TYPES = frozenset({"text", "text[]", "jsonb", "bytea"})


def next_step(done: str, *, dry_run: bool) -> Step | None:
    """The step after the one that was completed last ("" when none was), or None after the last."""
    steps = DRY_STEPS if dry_run else STEPS
    if done == "":
        return steps[0]
    rest = steps[steps.index(done) + 1 :]
    return rest[0] if rest else None


def step_before(step: Step) -> str:
    """What is completed when `step` is the next one."""
    position = STEPS.index(step)
    return STEPS[position - 1] if position else ""


def list_texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value, names of an object's fields not among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from list_texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from list_texts(member)


def list_row_bytes(row: Mapping[str, Any], types: Mapping[str, str]) -> Iterator[bytes]:
    """The values of a row (as to_jsonb shows it) that can be searched; of a column that is gone, its strings."""
    for column, value in row.items():
        kind = types.get(column, "text")
        if kind not in TEXT_TYPES:
            continue
        for text in list_texts(value):
            yield bytes.fromhex(text[2:]) if kind == "bytea" else text.encode()


def plan_pieces(value: bytes) -> list[bytes]:
    """What of a value is searched for: the value itself, or pieces of a long one. Empty when it could be anything."""
    if len(value) <= PIECE_BYTES:
        pieces = [value]
    else:
        count = min(MAX_PIECES, 2 + len(value) // 512)
        last = len(value) - PIECE_BYTES
        starts = sorted({round(number * last / (count - 1)) for number in range(count)})
        pieces = [value[start : start + PIECE_BYTES] for start in starts]
    return [piece for piece in pieces if len(piece) >= MIN_BYTES and len(set(piece)) >= MIN_DISTINCT]


def plan_text_patterns(kind: str, values: Iterable[bytes]) -> list[Pattern]:
    """The patterns of these values, each once."""
    pieces = dict.fromkeys(piece for value in values for piece in plan_pieces(value))
    return [Pattern(kind=kind, value=piece) for piece in pieces]


def plan_vector_patterns(
    embedding: np.ndarray, normalised: np.ndarray, normalised32: np.ndarray
) -> list[Pattern]:
    """A stored vector and its L2-normalised form, as pgvector's indexes keep it, in fp16 and in float32.

    Little-endian, as x86 and ARM write them. A vector that is nearly all zeros is no one's: no patterns.
    """
    forms = {
        "fp16": embedding.astype("<f2"),
        "fp16_normalised": normalised.astype("<f2"),
        "float32": embedding.astype("<f4"),
        "float32_normalised": normalised32.astype("<f4"),
    }
    by_value: dict[bytes, str] = {}
    for kind, form in forms.items():
        if np.count_nonzero(form) >= MIN_VECTOR_INFORMATION:
            by_value.setdefault(form.tobytes()[:VECTOR_BYTES], kind)
    return [Pattern(kind=kind, value=value) for value, kind in by_value.items()]


def read_segment(name: str, segment_bytes: int) -> int | None:
    """The LSN at which a WAL segment begins, by its file's name; None for another file.

    `TTTTTTTTXXXXXXXXYYYYYYYY`: timeline, and the number of the segment in two parts
    (https://www.postgresql.org/docs/18/wal-internals.html).
    """
    if len(name) != 24 or set(name) - set("0123456789ABCDEF"):
        return None
    return int(name[8:16], 16) * 2**32 + int(name[16:24], 16) * segment_bytes


def read_lsn(text: str) -> int:
    """A pg_lsn as a number of bytes."""
    high, low = text.split("/")
    return int(high, 16) * 2**32 + int(low, 16)
