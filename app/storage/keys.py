"""Which keys an object may have: those that mean the same in a folder, in S3 and in a URL."""

import unicodedata

from app.errors import InvalidInputError

#: S3's own limit, in bytes of UTF-8.
MAX_KEY_BYTES = 1024


def check_key(key: str) -> str:
    """The key, as it came.

    Raises:
        InvalidInputError: it is empty, absolute, too long, or has an empty segment, `.`, `..`, a backslash or a
            control character.
    """
    if not key:
        raise InvalidInputError("the key is empty; an object needs one, as in reports/2024.parquet")
    if key.startswith("/"):
        raise InvalidInputError("the key begins with a slash; leave it out")
    _check_text(key, "key")
    for segment in key.split("/"):
        if not segment:
            raise InvalidInputError(
                "the key has an empty segment: two slashes in a row, or a slash at its end; leave it out"
            )
        _check_segment(segment, "key")
    return key


def check_prefix(prefix: str) -> str:
    """The beginning of keys, as it came; it may be empty or end within a segment.

    Raises:
        InvalidInputError: no key could begin so.
    """
    _check_text(prefix, "prefix")
    segments = prefix.split("/")
    if "" in segments[:-1]:
        raise InvalidInputError("the prefix has an empty segment; no key has one")
    for segment in segments[:-1]:
        _check_segment(segment, "prefix")
    return prefix


def _check_text(text: str, what: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise InvalidInputError(f"the {what} is not UTF-8") from exc
    if size > MAX_KEY_BYTES:
        raise InvalidInputError(f"the {what} has {size:,} bytes; at most {MAX_KEY_BYTES:,} are possible")
    if "\\" in text:
        raise InvalidInputError(f"the {what} has a backslash; folders are separated by /")
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise InvalidInputError(f"the {what} has a control character")


def _check_segment(segment: str, what: str) -> None:
    if segment in (".", ".."):
        raise InvalidInputError(f"the {what} has the segment {segment!r}; it would leave its folder")
