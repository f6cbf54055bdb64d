"""What an answer says of itself once all of it is there: how many rows, whether there are more, whether it failed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from app.errors import LakewardError

#: Each format's media type; the name is the ending of its files, too.
MEDIA_TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
TRUNCATED, ROW_COUNT = "lakeward.truncated", "lakeward.row_count"
_ENDING = b'],"row_count":'
_SAID = "X-Lakehouse-Truncated"
_NO_END = "the answer has no end, or is not what it should be; ask again"
_TAIL = 64 * 1024


class Told(msgspec.Struct, frozen=True):
    """`rows` is None when only the answer itself says it. `truncated` is None when it has as many rows as it may have,
    and there may be more.
    """

    rows: int | None
    truncated: bool | None


class Reader(Protocol):
    """Looks at an answer's pieces as they come."""

    def take(self, piece: bytes) -> None:
        """The next of it."""

    def tell(self, path: Path | None, headers: Mapping[str, str]) -> Told:
        """What all of it says; `path` is where it was written, if anywhere.

        Raises:
            LakewardError: the query failed after its first rows.
        """


class _Json:
    def __init__(self) -> None:
        self._tail = b""

    def take(self, piece: bytes) -> None:
        self._tail = (self._tail + piece)[-_TAIL:]

    def tell(self, path: Path | None, headers: Mapping[str, str]) -> Told:
        at = self._tail.rfind(_ENDING)
        try:
            ending = json.loads(b"{" + self._tail[at + 2 :]) if at >= 0 else {}
            raise_failure(ending)
            return Told(ending["row_count"], ending["truncated"])
        except (ValueError, KeyError) as exc:
            raise LakewardError(_NO_END) from exc


class _Ndjson:
    def __init__(self) -> None:
        self._rows = 0
        #: The beginning of the last line, and whether that line has ended.
        self._last = b""
        self._ended = False

    def take(self, piece: bytes) -> None:
        self._rows += piece.count(b"\n")
        begun = piece.rstrip(b"\n").rfind(b"\n") + 1
        before = b"" if begun or self._ended else self._last
        self._last = before + piece[begun : begun + _TAIL - len(before)]
        self._ended = piece.endswith(b"\n")

    def tell(self, path: Path | None, headers: Mapping[str, str]) -> Told:
        if self._last.startswith(b'{"error":{"type":"urn:lakeward:problem:'):
            raise_failure(json.loads(self._last))
        return _told(self._rows, headers)


class _Csv:
    """Line breaks in quotes are no rows; a quote in quotes is two, so the parity holds."""

    def __init__(self) -> None:
        self._lines = 0
        self._quoted = False

    def take(self, piece: bytes) -> None:
        for number, part in enumerate(piece.split(b'"')):
            if number:
                self._quoted = not self._quoted
            if not self._quoted:
                self._lines += part.count(b"\n")

    def tell(self, path: Path | None, headers: Mapping[str, str]) -> Told:
        return _told(max(self._lines - 1, 0), headers)


class _Binary:
    """Arrow and Parquet say it in their metadata; breaking off is how they say that they failed."""

    def take(self, piece: bytes) -> None:
        pass

    def tell(self, path: Path | None, headers: Mapping[str, str]) -> Told:
        if path is None:
            return Told(None, headers.get(_SAID) == "true")
        try:
            metadata = self._metadata(path)
            return Told(int(metadata[ROW_COUNT.encode()]), metadata[TRUNCATED.encode()] == b"true")
        except (ValueError, KeyError, OSError) as exc:
            raise LakewardError(_NO_END) from exc

    def _metadata(self, path: Path) -> Mapping[bytes, bytes]:
        raise NotImplementedError


class _Arrow(_Binary):
    def _metadata(self, path: Path) -> Mapping[bytes, bytes]:
        import pyarrow as pa

        last: Any = {}
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
            while True:
                try:
                    last = batches.read_next_batch_with_custom_metadata().custom_metadata or {}
                except StopIteration:
                    return dict(last)


class _Parquet(_Binary):
    def _metadata(self, path: Path) -> Mapping[bytes, bytes]:
        import pyarrow.parquet

        found: Mapping[bytes, bytes] = pyarrow.parquet.read_metadata(path).metadata or {}
        return found


READERS: dict[str, Callable[[], Reader]] = {
    "json": _Json,
    "ndjson": _Ndjson,
    "csv": _Csv,
    "arrow": _Arrow,
    "parquet": _Parquet,
}


def raise_failure(ending: Mapping[str, Any]) -> None:
    """Raises the error that an ending has, if any; the problem document is its `extra`."""
    problem = ending.get("error")
    if problem:
        raise LakewardError(f"the query failed after its first rows: {problem['detail']}", problem=problem)


def _told(rows: int, headers: Mapping[str, str]) -> Told:
    said = headers.get(_SAID)
    if said is not None:
        return Told(rows, said == "true")
    return Told(rows, None if rows >= int(headers.get("X-Lakehouse-Max-Rows", 2**31)) else False)
