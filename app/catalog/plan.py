"""Pure decisions about the catalog's names."""

import re
import unicodedata

from app.errors import InvalidNameError

#: Also leaves room for the suffixes _text and _pending of an index within Postgres' 63 bytes.
NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")


def plan_name(name: str, what: str) -> str:
    """`name` as it is, when it can name a dataset, view or index in every door without quoting surprises.

    Raises:
        InvalidNameError: it cannot; the message has a name that could.
    """
    if NAME.fullmatch(name):
        return name
    hint = suggest_name(name)
    raise InvalidNameError(
        f"{what} {name[:60]!r}: use lower-case letters, digits and _, beginning with a letter, at most 48 characters"
        + (f"; for example {hint!r}" if hint else "")
    )


def suggest_name(name: str) -> str | None:
    """The nearest usable name, or None when nothing is left of it."""
    plain = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    words = re.sub(r"^[0-9_]+", "", words)[:48].rstrip("_")
    return words or None
