"""The Range header (RFC 9110, section 14): one range of bytes, or none."""

import re
from typing import Any, TypeAlias

import msgspec

#: As obstore takes it: (first, behind the last), {"offset": first} or {"suffix": how many}.
ObstoreRange: TypeAlias = "tuple[int, int] | dict[str, int]"

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.IGNORECASE)


class ByteRange(msgspec.Struct, frozen=True):
    """Bytes `first` to `last`, both included; without `first` the last `suffix` bytes, without `last` all the rest."""

    first: int | None
    last: int | None = None
    suffix: int | None = None

    def for_obstore(self) -> Any:
        """As obstore's `range` option."""
        if self.first is None:
            return {"suffix": self.suffix}
        return {"offset": self.first} if self.last is None else (self.first, self.last + 1)


def parse_range(header: str | None) -> ByteRange | None:
    """The one range that is asked for; None for the whole object.

    A header with another unit, several ranges or a mistake is ignored, as the RFC allows and asks for.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first:
        return ByteRange(first=None, suffix=int(last)) if last else None
    if last and int(last) < int(first):
        return None
    return ByteRange(first=int(first), last=int(last) if last else None)
