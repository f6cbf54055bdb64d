"""Where the records of a JSON document are, and each of them as text."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from app.errors import InvalidFileError
from app.ingest.json_scanner import JsonScanner, scan_array, scan_keys
from app.ingest.json_values import decode_strict

#: (line, the record's JSON text)
RawRecord = tuple[int, bytes]
_NO_RECORDS = "the document holds no records: an array of objects is needed"


def find_records_path(path: Path, records_path: str | None) -> tuple[str, ...]:
    """The keys that lead to the array of records; () when the document is that array. Validates all of the document.

    Without `records_path` it is the only, or clearly the longest, array of objects at the top level.

    Raises:
        InvalidFileError: malformed JSON, with line and byte; no records; or several candidates, which it names.
    """
    with closing(JsonScanner(path)) as scanner:
        counts: dict[tuple[str, ...], int] = {}
        start = scanner.peek()
        if start == b"":
            raise scanner.error("the document is empty")
        wanted = tuple(records_path.split(".")) if records_path else ()
        _count(scanner, (), wanted, counts)
        if scanner.peek():
            raise scanner.error("text after the end of the document")
    if records_path:
        return _choose_named(wanted, counts)
    if start == b"[":
        return ()
    return _choose(counts)


def scan_records(path: Path, keys: tuple[str, ...]) -> Iterator[RawRecord]:
    """The records under `keys`, in order. The document must have passed `find_records_path`."""
    with closing(JsonScanner(path)) as scanner:
        yield from _walk(scanner, keys)


def _walk(scanner: JsonScanner, keys: tuple[str, ...]) -> Iterator[RawRecord]:
    if not keys:
        if scanner.peek() == b"[":
            for line, _, raw in scan_array(scanner):
                yield line, raw
        else:
            scanner.take_value()
        return
    if scanner.peek() != b"{":
        scanner.take_value()
        return
    for key in scan_keys(scanner):
        if msgspec.json.decode(key) == keys[0]:
            yield from _walk(scanner, keys[1:])
        elif scanner.peek() == b"[":
            for _ in scan_array(scanner):
                pass
        else:
            scanner.take_value()


def _count(
    scanner: JsonScanner, at: tuple[str, ...], wanted: tuple[str, ...], counts: dict[tuple[str, ...], int]
) -> None:
    """Validate the value at the cursor, and count the objects of arrays at the top level or at `wanted`."""
    start = scanner.peek()
    if start == b"{" and at == wanted[: len(at)] and (len(at) < len(wanted) or not at):
        for key in scan_keys(scanner):
            _count(scanner, (*at, _decode_key(scanner, key)), wanted, counts)
    elif start == b"[":
        found = 0
        for line, offset, raw in scan_array(scanner):
            _validate(raw, line, offset)
            found += raw.startswith(b"{")
        # a repeated key would give the records twice
        if at in counts and at:
            raise scanner.error(f"'{'.'.join(at)}' occurs twice")
        counts[at] = found
    else:
        line, offset = scanner.line, scanner.offset
        _validate(scanner.take_value(), line, offset)


def _decode_key(scanner: JsonScanner, key: bytes) -> str:
    try:
        return str(msgspec.json.decode(key))
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise scanner.error(f"a key cannot be read: {exc}") from exc


def _validate(raw: bytes, line: int, offset: int) -> None:
    problem = decode_strict(raw).problem
    if problem and problem.malformed:
        inner = re.search(r"\(byte (\d+)\)", problem.reason)
        byte = offset + (int(inner[1]) if inner else 0)
        raise InvalidFileError(
            f"the JSON document is malformed in the value at line {line:,}, near byte {byte:,}: {problem.reason}",
            line=line,
            byte=byte,
        )


def _choose_named(wanted: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    if counts.get(wanted):
        return wanted
    names = [".".join(keys) for keys, count in counts.items() if count and keys]
    raise InvalidFileError(
        f"there is no array of objects at '{'.'.join(wanted)}'"
        + (f"; there is one at {', '.join(repr(n) for n in names[:10])}" if names else "")
    )


def _choose(counts: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    found = sorted(((count, keys) for keys, count in counts.items() if count), reverse=True)
    if not found:
        raise InvalidFileError(_NO_RECORDS)
    if len(found) > 1 and found[0][0] == found[1][0]:
        names = ", ".join(f"'{'.'.join(keys)}'" for count, keys in found[:10])
        raise InvalidFileError(f"several arrays could be the records: {names}; say which with records_path")
    return found[0][1]
