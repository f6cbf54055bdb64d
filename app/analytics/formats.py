"""The five formats of an answer, chosen by `Accept`."""

import io
from collections.abc import Callable

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from app.analytics.models import QueryAnswer, QueryResult, ResultColumn
from app.errors import InvalidInputError

ENGINE = "datafusion"
JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"


def to_answer(result: QueryResult) -> QueryAnswer:
    """The answer as Struct, rows as lists in the order of the columns."""
    table = _microseconds(result.table)
    columns = [column.to_pylist() for column in table.columns]
    return QueryAnswer(
        columns=[ResultColumn(name=field.name, type=str(field.type)) for field in result.table.schema],
        rows=[list(row) for row in zip(*columns, strict=True)],
        row_count=table.num_rows,
        truncated=result.truncated,
        engine=ENGINE,
        duration_ms=result.duration_ms,
    )


def _microseconds(table: pa.Table) -> pa.Table:
    """Python's times end at microseconds, and the engine's own now() has nanoseconds; what is finer is cut off."""
    for position, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            coarser: pa.DataType = pa.timestamp("us", kind.tz)
        elif pa.types.is_time64(kind) and kind.unit == "ns":
            coarser = pa.time64("us")
        elif pa.types.is_duration(kind) and kind.unit == "ns":
            coarser = pa.duration("us")
        else:
            continue
        table = table.set_column(position, field.name, table.column(position).cast(coarser, safe=False))
    return table


def _json(result: QueryResult) -> bytes:
    return msgspec.json.encode(to_answer(result))


def _ndjson(result: QueryResult) -> bytes:
    return msgspec.json.Encoder().encode_lines(_microseconds(result.table).to_pylist())


def _csv(result: QueryResult) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(_flat(result.table), sink)
    return sink.getvalue()


def _flat(table: pa.Table) -> pa.Table:
    """CSV has no lists: they become JSON texts."""
    for position, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [
                None if value is None else msgspec.json.encode(value).decode()
                for value in table.column(position).to_pylist()
            ]
            table = table.set_column(position, field.name, pa.array(texts, pa.string()))
    return table


def _parquet(result: QueryResult) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(result.table, sink)
    return sink.getvalue()


def _arrow(result: QueryResult) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, result.table.schema) as writer:
        writer.write_table(result.table)
    return sink.getvalue()


FORMATS: dict[str, Callable[[QueryResult], bytes]] = {
    JSON: _json,
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
    "application/vnd.apache.parquet": _parquet,
    ARROW: _arrow,
}


def plan_format(accept: str) -> str:
    """The first media type of an Accept header that there is; JSON when it takes anything.

    Raises:
        InvalidInputError: it takes none of ours.
    """
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    for media_type in wanted:
        if media_type in FORMATS:
            return media_type
    if not accept.strip() or any(media_type in ("*/*", "application/*", "") for media_type in wanted):
        return JSON
    raise InvalidInputError(f"Accept: use one of {', '.join(FORMATS)}")
