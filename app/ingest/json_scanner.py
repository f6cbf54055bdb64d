"""Cuts a JSON document into its values without building them, in bounded memory.

A streaming parser that builds values (ijson 3.6.0 with yajl) was tried first: it crashes the process on an integer of
5,000 digits, takes minutes for 100,000 opening brackets, and turns lone surrogates into "?". Here only brackets and
strings are looked at; every cut value is decoded strictly by its reader, so all of the document is still validated.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from app.errors import InvalidFileError
from app.ingest.text_file import MAX_LINE_BYTES

MAX_DEPTH = 200
_CHUNK = 1 << 20
_SPACE = re.compile(rb"[ \t\r\n]*")
# possessive (*+), because a string that ends in the next chunk is tried at every length otherwise
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING_VALUE = re.compile(_STRING, re.DOTALL)
_TO_BRACKET = re.compile(rb'[^\[\]{}"]*+(?:' + _STRING + rb'[^\[\]{}"]*+)*+[\[\]{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\r\n,:\[\]{}\"]+")


class JsonScanner:
    """A cursor over the file. `line` is the line of the cursor, from 1."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._data = self._file.read(_CHUNK).removeprefix(b"\xef\xbb\xbf")
        self._at = 0
        self._dropped = 0
        self.line = 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def offset(self) -> int:
        """Bytes of the document before the cursor."""
        return self._dropped + self._at

    def peek(self) -> bytes:
        """The next byte that is not white space, b"" at the end."""
        while True:
            found = _SPACE.match(self._data, self._at)
            end = found.end() if found else self._at
            self._move(end)
            if end < len(self._data):
                return self._data[end : end + 1]
            if not self._read_more():
                return b""

    def accept(self, token: bytes) -> bool:
        """Step over `token` when it is next."""
        if self.peek() != token:
            return False
        self._move(self._at + 1)
        return True

    def expect(self, token: bytes) -> None:
        """Step over `token`, which must be next."""
        if not self.accept(token):
            raise self.error(f"'{token.decode()}' expected, {_show(self.peek())} found")

    def error(self, message: str) -> InvalidFileError:
        """The error to raise about the cursor's place."""
        where = f"line {self.line:,}, byte {self.offset:,}"
        return InvalidFileError(
            f"the JSON document is malformed at {where}: {message}", line=self.line, byte=self.offset
        )

    def take_value(self) -> bytes:
        """Cut the next value, at most 16 MB and 200 levels deep; what is inside is not validated here."""
        start = self.peek()
        if start in (b"{", b"["):
            return self._take_container()
        if start == b"":
            raise self.error("the document ends too early")
        pattern = _STRING_VALUE if start == b'"' else _SCALAR
        while True:
            found = pattern.match(self._data, self._at)
            # a scalar at the end of what was read may go on
            if found and (start == b'"' or found.end() < len(self._data)):
                break
            if not self._read_more():
                break
        if not found:
            raise self.error(f"unexpected {_show(start)}")
        return self._cut(self._at, found.end())

    def _take_container(self) -> bytes:
        depth, start = 0, self._at
        cursor = start
        while True:
            found = _TO_BRACKET.match(self._data, cursor)
            if not found:
                consumed = cursor - start
                if not self._read_more(keep_from=start):
                    raise self.error("the value that starts here never ends")
                start, cursor = self._at, self._at + consumed
                continue
            cursor = found.end()
            depth += 1 if self._data[cursor - 1] in b"[{" else -1
            if depth > MAX_DEPTH:
                raise self.error(f"nested deeper than {MAX_DEPTH} levels")
            if depth == 0:
                return self._cut(start, cursor)

    def _cut(self, start: int, end: int) -> bytes:
        if end - start > MAX_LINE_BYTES:
            raise self._too_long()
        value = self._data[start:end]
        self._move(end)
        return value

    def _too_long(self) -> InvalidFileError:
        return self.error(f"a value is longer than {MAX_LINE_BYTES // 1024**2} MB")

    def _move(self, to: int) -> None:
        self.line += self._data.count(b"\n", self._at, to)
        self._at = to

    def _read_more(self, keep_from: int | None = None) -> bool:
        keep = self._at if keep_from is None else keep_from
        kept = len(self._data) - keep
        if kept > MAX_LINE_BYTES:
            raise self._too_long()
        # doubling keeps the copying linear for long values
        more = self._file.read(max(_CHUNK, kept))
        self._data = self._data[keep:] + more
        self._dropped += keep
        self._at = 0
        return bool(more)


def scan_array(scanner: JsonScanner) -> Iterator[tuple[int, int, bytes]]:
    """Line, offset and text of each element of the array at the cursor."""
    scanner.expect(b"[")
    if scanner.accept(b"]"):
        return
    while True:
        scanner.peek()
        line, offset = scanner.line, scanner.offset
        yield line, offset, scanner.take_value()
        if scanner.accept(b"]"):
            return
        scanner.expect(b",")


def scan_keys(scanner: JsonScanner) -> Iterator[bytes]:
    """The key (as JSON text) of each member of the object at the cursor; the consumer must take each value."""
    scanner.expect(b"{")
    if scanner.accept(b"}"):
        return
    while True:
        if scanner.peek() != b'"':
            raise scanner.error(f"a key in quotes expected, {_show(scanner.peek())} found")
        key = scanner.take_value()
        scanner.expect(b":")
        yield key
        if scanner.accept(b"}"):
            return
        scanner.expect(b",")


def _show(token: bytes) -> str:
    return f"'{token.decode('ascii', 'backslashreplace')}'" if token else "the end"
