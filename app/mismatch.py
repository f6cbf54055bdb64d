"""What would be right where a value does not fit its type: msgspec says what is wrong, and not what there is."""

import difflib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

#: `arms[0].type`, `values[...].name`: as msgspec writes where a value is.
_STEP = re.compile(r"\[(?:\d+|\.\.\.)\]|[^.\[\]]+")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`$")
#: More names than that are no help.
LISTED = 20
LONGEST = 60


def explain(message: str, path: str, kind: Any) -> str:
    """msgspec's message about the value at `path` (`arms[0].type`, empty for the whole) of a `kind`, with the way out.

    Of an enum the values, of an unknown field the one that is spelled nearly so, or all there are.
    """
    unknown = _UNKNOWN.search(message)
    if unknown is None and not message.startswith("Invalid enum value"):
        return message
    found = list(_find(msgspec.inspect.type_info(kind), _STEP.findall(path)))
    if unknown is None:
        return _listed(message, "it is one of", [repr(value) for one in found for value in _values(one)])
    names = [field.encode_name for one in found for field in getattr(one, "fields", ())]
    # a name may be as long as a body, and a comparison takes as long
    asked = unknown[1] if len(unknown[1]) <= LONGEST else f"{unknown[1][:LONGEST]}…"
    said = f"there is no field '{asked}'"
    near = difflib.get_close_matches(asked, names, n=1)
    return f"{said}; did you mean '{near[0]}'?" if near else _listed(said, "there are", names)


def explain_error(error: msgspec.ValidationError, kind: Any) -> str:
    """The same of an error as msgspec raises it, behind the place."""
    message, _, where = str(error).partition(" - at `$")
    path = where.rstrip("`").removeprefix(".")
    explained = explain(message, path, kind)
    return f"{path}: {explained}" if path else explained


def _listed(said: str, lead: str, names: list[str]) -> str:
    return f"{said}; {lead} {', '.join(names)}" if 0 < len(names) <= LISTED else said


def _find(info: msgspec.inspect.Type, steps: list[str]) -> Iterator[msgspec.inspect.Type]:
    """The types that a value there may have."""
    if isinstance(info, msgspec.inspect.Metadata):
        yield from _find(info.type, steps)
    elif isinstance(info, msgspec.inspect.UnionType):
        for one in info.types:
            yield from _find(one, steps)
    elif not steps:
        yield info
    elif isinstance(info, msgspec.inspect.StructType | msgspec.inspect.TypedDictType):
        for field in info.fields:
            if field.encode_name == steps[0]:
                yield from _find(field.type, steps[1:])
    elif isinstance(info, msgspec.inspect.CollectionType):
        yield from _find(info.item_type, steps[1:])
    elif isinstance(info, msgspec.inspect.DictType):
        yield from _find(info.value_type, steps[1:])


def _values(info: msgspec.inspect.Type) -> list[Any]:
    if isinstance(info, msgspec.inspect.LiteralType):
        return list(info.values)
    if isinstance(info, msgspec.inspect.EnumType):
        return [member.value for member in info.cls]
    return []
