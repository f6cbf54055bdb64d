"""Lists are paged: `{items, next_cursor}`, with an opaque cursor that holds the last key of the page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from app.errors import InvalidInputError

Item = TypeVar("Item")

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="how many items at most")]
Cursor = Annotated[str | None, QueryParameter(max_length=500, description="`next_cursor` of the page before")]


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(key: Any) -> str:
    """An opaque, URL-safe cursor for the last key of a page."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Item]) -> Item:
    """The key in a cursor.

    Raises:
        InvalidInputError: it is not one of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, msgspec.MsgspecError, ValueError) as exc:
        raise InvalidInputError("cursor: use the next_cursor of an earlier answer, unchanged") from exc


def plan_page(rows: Sequence[Item], limit: int, key: Callable[[Item], Any]) -> Page[Item]:
    """A page of at most `limit` from `limit + 1` fetched rows; the extra row only says that there is more."""
    items = list(rows[:limit])
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode_cursor(key(items[-1])) if more else None)
