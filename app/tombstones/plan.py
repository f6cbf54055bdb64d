"""Pure decisions about keys."""

from collections.abc import Sequence

from app.errors import InvalidInputError

#: A B-tree holds no longer ones.
MAX_KEY_BYTES = 2600


def plan_keys(values: Sequence[str | int | float]) -> list[str]:
    """The keys as text, each once, in the order they came.

    Raises:
        InvalidInputError: one is longer than a row key can be, or holds a NUL.
    """
    keys = dict.fromkeys(str(value) for value in values)
    for key in keys:
        if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
            raise InvalidInputError(
                f"row_key_values: the key {key[:40]!r}… is longer than {MAX_KEY_BYTES} bytes, and no row key is"
            )
        if "\0" in key:
            raise InvalidInputError("row_key_values: a key holds a NUL, which cannot be stored")
    return list(keys)
