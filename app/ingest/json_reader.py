"""JSON documents and NDJSON: one pass finds the columns and their types, a second one emits the batches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct

from app.catalog.models import StoredColumn
from app.errors import InvalidFileError
from app.ingest.arrow_types import Opened, plan_schema
from app.ingest.column_names import check_column_count, plan_column_names
from app.ingest.json_document import RawRecord, find_records_path, scan_records
from app.ingest.json_types import Seen, convert
from app.ingest.json_values import Decoded, Problem, decode_strict, flatten
from app.ingest.models import Format
from app.ingest.rejects import RejectLog
from app.ingest.text_file import MARK_PATTERN, MARK_REASONS, TextFile

BATCH_ROWS = 16_384
BATCH_BYTES = 16 * 1024 * 1024
Key = str | tuple[str, ...]
Scan = Callable[[], Iterator[RawRecord]]


class _Plan(Struct, frozen=True):
    keys: tuple[Key, ...]
    columns: tuple[StoredColumn, ...]
    schema: pa.Schema
    exact: bool


@contextmanager
def open_json(
    text: TextFile, format: Format, records_path: str | None, rejects: RejectLog
) -> Iterator[Opened]:
    """The columns, the schema and the batches of a JSON document (`json`) or of one object a line (`ndjson`).

    Nested objects become columns `outer_inner`, at most 5 levels deep; lists of strings become text[], other lists
    jsonb. Records that are not objects, or hold what Postgres cannot, are rejected; so are malformed NDJSON lines.

    Raises:
        InvalidFileError: a malformed document, with line and byte; no usable record; too many columns.
    """
    if format == "json":
        if text.has_marks:
            raise InvalidFileError(
                "the JSON document is not valid text: it contains NUL bytes or undecodable bytes"
            )
        scan = partial(scan_records, text.path, find_records_path(text.path, records_path))
    else:
        scan = partial(_scan_lines, text.path)
    seen, exact = _infer(scan, exact=False), False
    if any(column.needs_exact for column in seen.values()):
        seen, exact = _infer(scan, exact=True), True
    plan = _plan(seen, exact)
    yield plan.columns, plan.schema, _emit(scan, plan, rejects)


def _scan_lines(path: Path) -> Iterator[RawRecord]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            raw = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if raw.strip():
                yield number, raw


def _decode(raw: bytes, exact: bool) -> Decoded:
    decoded = decode_strict(raw, exact=exact)
    if decoded.problem:
        mark = MARK_PATTERN.search(raw.decode("utf-8", "replace")) if b"\xef\xb7\x90" in raw else None
        return Decoded(problem=Problem(MARK_REASONS[mark[1]])) if mark else decoded
    if type(decoded.value) is not dict:
        return Decoded(problem=Problem("is not an object"))
    if b"\xef\xb7\x90" in raw and (mark := MARK_PATTERN.search(raw.decode("utf-8", "replace"))):
        return Decoded(problem=Problem(MARK_REASONS[mark[1]]))
    return decoded


def _infer(scan: Scan, *, exact: bool) -> dict[Key, Seen]:
    seen: dict[Key, Seen] = {}
    first_problem: tuple[int, Problem] | None = None
    usable = 0
    for line, raw in scan():
        decoded = _decode(raw, exact)
        if decoded.problem:
            first_problem = first_problem or (line, decoded.problem)
            continue
        usable += 1
        for key, value in flatten(decoded.value).items():
            column = seen.get(key)
            if column is None:
                column = seen[key] = Seen()
                check_column_count(len(seen))
            column.add(value)
    if not seen:
        raise InvalidFileError(_no_records(usable, first_problem))
    return seen


def _no_records(usable: int, problem: tuple[int, Problem] | None) -> str:
    if usable:
        return "the records are all empty objects: there is no column"
    if problem is None:
        return "there are no records"
    return f"no record can be used; the first, at line {problem[0]:,}, {_sentence(problem[1].reason)}"


def _sentence(reason: str) -> str:
    return reason if reason.startswith(("is ", "contains ")) else f"has a problem: {reason}"


def _plan(seen: dict[Key, Seen], exact: bool) -> _Plan:
    keys = tuple(seen)
    paths = [(key,) if isinstance(key, str) else key for key in keys]
    names = plan_column_names(["_".join(path) for path in paths])
    resolved = [seen[key].resolve() for key in keys]
    columns = tuple(
        StoredColumn(name=name, source_name=".".join(path), type=column_type)
        for name, path, (column_type, _) in zip(names, paths, resolved, strict=True)
    )
    scales = {name: scale for name, (_, scale) in zip(names, resolved, strict=True)}
    return _Plan(keys, columns, plan_schema(columns, scales), exact)


def _emit(scan: Scan, plan: _Plan, rejects: RejectLog) -> Iterator[pa.RecordBatch]:
    rows: list[dict[Key, Any]] = []
    size = 0
    for line, raw in scan():
        decoded = _decode(raw, plan.exact)
        if decoded.problem:
            rejects.add(line, decoded.problem.reason, raw.strip())
            continue
        rows.append(flatten(decoded.value))
        size += len(raw)
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _build(rows, plan)
            rows, size = [], 0
    if rows:
        yield _build(rows, plan)


def _build(rows: list[dict[Key, Any]], plan: _Plan) -> pa.RecordBatch:
    arrays = [
        _build_array([convert(row.get(key), column.type) for row in rows], field.type)
        for key, column, field in zip(plan.keys, plan.columns, plan.schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=plan.schema)


def _build_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return pa.array(values, kind)
