"""A relation over files as its reader may see it: tombstones, row filter and redactions on top of the files.

The frames are made in a context of their own, where the key of `hash` is known; a reader's context gets the finished
view and nothing that it is made of.
"""

from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa
from datafusion import DataFrame, SessionConfig, SessionContext, col

from app.delta.models import ShownColumn, StoredType
from app.delta.places import register_store
from app.delta.scan import scan_files, scan_folder
from app.delta.schema import engine_cast, plan_foreign
from app.storage.address import Address
from app.views.datafusion import HmacKey, filter_expression, redaction_expression, register_redactions
from app.views.filter_types import Node, list_nodes

#: No column is called that: names have at most 63 bytes.
GONE = "a key that has a tombstone, and the rows of which are left out here"


class GovernedFiles(msgspec.Struct, frozen=True):
    """A relation over files, ready to be read.

    `uris` are the files; with partition columns the one URI is the folder instead. `schema` is the files' Arrow schema
    (IPC), without the partition columns. `foreign`: not written here. `gone` are keys with tombstones, as text.
    `version` says which files they are, where files do not change.
    """

    name: str
    uris: list[str]
    schema: bytes
    columns: list[ShownColumn]
    stored: list[StoredType]
    filter_tree: Node | None = None
    row_key: str | None = None
    gone: list[str] = []
    foreign: bool = False
    partition_columns: list[str] = []
    hash_key: HmacKey | None = None
    address: Address | None = None
    rescue_used: bool = False
    version: str | None = None

    def __repr__(self) -> str:
        """Without keys of rows and without the key of `hash`."""
        return f"GovernedFiles({self.name}, {len(self.uris)} files)"


def hidden_by(relation: GovernedFiles) -> frozenset[str] | None:
    """The columns that decide by the row filter which rows are hidden; None when no row is."""
    if relation.filter_tree is not None:
        return frozenset(str(node["column"]) for node in list_nodes(relation.filter_tree) if "column" in node)
    return frozenset() if relation.gone else None


def govern(
    relations: Sequence[GovernedFiles], config: SessionConfig | None = None
) -> Mapping[str, DataFrame]:
    """The view of each relation, by name; register it with `context.register_table(name, frame.into_view())`."""
    return {relation.name: _govern(SessionContext(config), relation) for relation in relations}


def _govern(context: SessionContext, relation: GovernedFiles) -> DataFrame:
    schema = pa.ipc.read_schema(pa.BufferReader(relation.schema))
    if relation.address is not None:
        register_store(context, relation.address)
    if relation.hash_key is not None:
        register_redactions(context, relation.hash_key)
    frame = _scan(context, relation, schema)
    if relation.gone:
        frame = frame.join_on(
            _gone(context, relation, schema),
            frame.parse_sql_expr(_quote(relation.row_key or "")) == col(GONE),
            how="anti",
        )
    casts = _casts(schema, relation)
    frame = _select(
        frame, {column.name: _cast(column.name, casts.get(column.name)) for column in relation.stored}
    )
    if relation.filter_tree is not None:
        condition = filter_expression(relation.filter_tree, _decimals(frame.schema()))
        frame = frame.filter(frame.parse_sql_expr(condition))
    return _select(frame, {column.name: _shown(column) for column in relation.columns})


def _scan(context: SessionContext, relation: GovernedFiles, schema: pa.Schema) -> DataFrame:
    if not relation.partition_columns:
        return scan_files(context, relation.uris, schema)
    kinds = {
        column.name: pa.int64() if column.type == "bigint" else pa.string() for column in relation.stored
    }
    partitions = [(name, kinds[name]) for name in relation.partition_columns]
    return scan_folder(context, relation.uris[0], schema, partitions)


def _select(frame: DataFrame, expressions: Mapping[str, str]) -> DataFrame:
    return frame.select(*(frame.parse_sql_expr(text).alias(name) for name, text in expressions.items()))


def _cast(name: str, kind: str | None) -> str:
    return f"arrow_cast({_quote(name)}, '{kind}')" if kind else _quote(name)


def _shown(column: ShownColumn) -> str:
    return redaction_expression(
        column.name, column.base_type, column.action, column.keep_prefix, column.keep_suffix
    )


def _casts(schema: pa.Schema, relation: GovernedFiles) -> dict[str, str | None]:
    """What has to be cast: times of day in our own files, and what foreign files have in types of their own."""
    if not relation.foreign:
        return {column.name: engine_cast(column.type) for column in relation.stored}
    return {field.name: plan_foreign(field.name, field.type)[1] for field in schema}


def _decimals(schema: pa.Schema) -> dict[str, tuple[int, int]]:
    return {
        field.name: (field.type.precision, field.type.scale)
        for field in schema
        if pa.types.is_decimal128(field.type)
    }


def _gone(context: SessionContext, relation: GovernedFiles, schema: pa.Schema) -> DataFrame:
    keys = pa.array(relation.gone, pa.string()).cast(schema.field(relation.row_key).type)
    batch = pa.RecordBatch.from_arrays([keys], names=[GONE])
    return context.create_dataframe([[batch]])


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
