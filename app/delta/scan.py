"""Parquet files as a frame of DataFusion: a list of files, or a folder with partitions.

DataFusion reads a list of files as one table, but its Python package offers one path alone; the plan's own serialised
form has room for more (`LogicalPlanNode.listing_scan.paths`, datafusion.proto), so that is where they are put. Delta's
own scan was measured at two to ten times the time of this one.
"""

from collections.abc import Sequence
from os.path import exists
from pathlib import Path

import pyarrow as pa
from datafusion import DataFrame, SessionContext
from datafusion.plan import LogicalPlan

from app.errors import UnavailableError

#: Field numbers of datafusion.proto, with their wire type: LogicalPlanNode.listing_scan, ListingTableScanNode.paths.
LISTING_SCAN, PATHS = b"\x0a", b"\x12"


def scan_files(context: SessionContext, uris: Sequence[str], schema: pa.Schema) -> DataFrame:
    """The rows of these Parquet files; a column that a file does not have is null there. Opens none of them.

    Raises:
        UnavailableError: a local file is gone. The engine would leave it out and say nothing.
    """
    # pathlib takes three times as long, which a thousand files feel
    if missing := [uri for uri in uris if "://" not in uri and not exists(uri)]:  # noqa: PTH110
        raise UnavailableError(
            f"{len(missing)} of the {len(uris)} files of a dataset are gone from its bucket, the first is "
            f"{Path(missing[0]).name}",
            retry_after_s=60,
        )
    if not uris:
        empty = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
        return context.create_dataframe([[empty]])
    frame = context.read_parquet(uris[0], schema=schema)
    if len(uris) == 1:
        return frame
    plan = LogicalPlan.from_bytes(context, add_paths(frame.logical_plan().to_bytes(context), uris[1:]))
    return context.create_dataframe_from_logical_plan(plan)


def scan_folder(
    context: SessionContext, uri: str, schema: pa.Schema, partitions: Sequence[tuple[str, pa.DataType]]
) -> DataFrame:
    """The rows of all Parquet files in a folder (its URI ends with a slash) whose folders are named like year=2024."""
    return context.read_parquet(uri, schema=schema, table_partition_cols=list(partitions) or None)


def add_paths(plan: bytes, uris: Sequence[str]) -> bytes:
    """A serialised scan of one file with more files; everything else of it stays.

    Raises:
        ValueError: it is not the serialised scan of Parquet files; the format has changed.
    """
    if plan[:1] != LISTING_SCAN:
        raise ValueError("the plan is no scan of files")
    length, start = _read_varint(plan, 1)
    node, rest = plan[start : start + length], plan[start + length :]
    if node[:1] != PATHS or rest:
        raise ValueError("the plan is not the scan of one file alone")
    for uri in uris:
        path = (uri if "://" in uri else f"file://{uri}").encode()
        node += PATHS + _varint(len(path)) + path
    return LISTING_SCAN + _varint(len(node)) + node


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return number, at
