"""From the names a file gives its columns to names Postgres can hold."""

import hashlib
import unicodedata
from collections.abc import Sequence

from app.errors import InvalidFileError

#: Postgres cuts identifiers silently after 63 bytes (NAMEDATALEN - 1).
MAX_NAME_BYTES = 63
#: Postgres allows 1,600 columns in a table; a few are left for columns of ours.
MAX_COLUMNS = 1_500
_HASH_CHARS = 8


def plan_column_names(source_names: Sequence[str]) -> tuple[str, ...]:
    """One usable name per source name, in order: deterministic, distinct without regard to case, 1 to 63 bytes.

    A name that is usable stays as it is, even when an earlier column would like to be renamed to it. Otherwise:
    blanks around it are stripped, control characters become `_`, an empty one becomes `column_N`, a repeated one
    `name_2`, and one that is too long is cut at a character boundary and ends with a hash of the whole.
    """
    wanted = [_usable(name, position) for position, name in enumerate(source_names, start=1)]
    reserved = {name.casefold() for name in wanted}
    taken: set[str] = set()
    next_suffix: dict[str, int] = {}
    names: list[str] = []
    for name in wanted:
        key, candidate = name.casefold(), name
        if key in taken:
            number = next_suffix.get(key, 2)
            while (candidate := _cut(name, f"_{number}")).casefold() in reserved:
                number += 1
            next_suffix[key] = number + 1
            reserved.add(candidate.casefold())
        taken.add(key)
        names.append(candidate)
    return tuple(names)


def check_column_count(count: int) -> None:
    """Refuse more columns than a table can have.

    Raises:
        InvalidFileError: more than 1,500 columns.
    """
    if count > MAX_COLUMNS:
        raise InvalidFileError(
            f"the file has {count:,} columns; at most {MAX_COLUMNS:,} can be loaded: split it, "
            "or turn columns into rows"
        )


def _usable(source_name: str, position: int) -> str:
    text = source_name.encode("utf-8", "replace").decode("utf-8")
    name = "".join("_" if unicodedata.category(char) == "Cc" else char for char in text.strip()).strip()
    if not name.strip("\ufeff\u200b"):
        return f"column_{position}"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return _cut(name, "_" + hashlib.sha256(name.encode()).hexdigest()[:_HASH_CHARS])


def _cut(name: str, suffix: str) -> str:
    room = MAX_NAME_BYTES - len(suffix.encode())
    return name.encode()[:room].decode("utf-8", "ignore").rstrip() + suffix
