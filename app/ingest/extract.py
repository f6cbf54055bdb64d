"""Open a file as what it is: its columns, a stream of record batches of exactly their types, and its rejects."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pyarrow as pa

from app.catalog.models import StoredColumn
from app.errors import InvalidFileError
from app.ingest.arrow_types import Opened
from app.ingest.csv_reader import open_csv
from app.ingest.json_reader import open_json
from app.ingest.models import Format, Reject
from app.ingest.parquet_reader import open_parquet
from app.ingest.rejects import RejectLog
from app.ingest.text_file import open_plain, open_text

_EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class Extract:
    """An open file. Consume `batches` once, inside the `with`; then `rejects` is complete.

    Every batch has exactly `schema` and at most 65,536 rows. `rejects` holds the first 10,000, `rejected` counts all.
    """

    def __init__(
        self,
        format: Format,
        columns: tuple[StoredColumn, ...],
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        log: RejectLog,
    ) -> None:
        self.format = format
        self.columns = columns
        self.schema = schema
        self.batches = batches
        self._log = log

    @property
    def rejects(self) -> list[Reject]:
        """The first 10,000 rejected rows so far."""
        return self._log.kept

    @property
    def rejected(self) -> int:
        """How many rows have been rejected so far."""
        return self._log.total


@contextmanager
def open_extract(
    path: Path, *, filename: str, format: Format | None = None, records_path: str | None = None
) -> Iterator[Extract]:
    """Open the file at `path` as `format`, or as what `filename` and the content say it is.

    `records_path` (JSON only) is the dotted path of the array of records. Text may be gzip-compressed.

    Raises:
        InvalidFileError: the file is not of that format, holds no records, or is built to exhaust memory; the message
            says what is wrong and where. It can also come while `batches` are consumed.
    """
    log = RejectLog()
    with tempfile.TemporaryDirectory(prefix="lakeward-") as work:
        plain = open_plain(path, Path(work))
        found = format or _find_format(plain, filename)
        if records_path is not None and found != "json":
            raise InvalidFileError(f"records_path is for JSON documents, and this file is {found}")
        with _open(plain, found, Path(work), records_path, log) as (columns, schema, batches):
            yield Extract(found, columns, schema, batches, log)


def _open(
    path: Path, found: Format, work: Path, records_path: str | None, log: RejectLog
) -> AbstractContextManager[Opened]:
    if found == "parquet":
        return open_parquet(path, log)
    if found == "csv":
        return open_csv(open_text(path, work), log)
    return open_json(
        open_text(path, work, check_lines=found == "ndjson", table=False), found, records_path, log
    )


def _find_format(path: Path, filename: str) -> Format:
    with path.open("rb") as file:
        start = file.read(65_536)
    if start.startswith(b"PAR1"):
        return "parquet"
    suffixes = [suffix.lower() for suffix in Path(filename).suffixes if suffix.lower() not in (".gz", ".gzz")]
    named = _EXTENSIONS.get(suffixes[-1]) if suffixes else None
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if named == "ndjson" and text.startswith(b"["):
        return "json"
    if named and named != "json":
        return named
    if text[:1] in (b"{", b"[") or named == "json":
        return "ndjson" if _is_ndjson(text) else "json"
    return "csv"


def _is_ndjson(text: bytes) -> bool:
    """True when the second line opens an object although the first one closed."""
    first, _, rest = text.partition(b"\n")
    return first.startswith(b"{") and first.rstrip().endswith(b"}") and rest.lstrip()[:1] == b"{"
