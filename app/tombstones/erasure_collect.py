"""Step 1 of an erasure: the bytes by which the subjects could be found, and by which nobody else would be.

They come from the rows, or from the tombstones' images of them, from their chunks and vectors, and from what the
journal remembers. What occurs in anybody else's rows, chunks, images or journal entries is not the subjects': a city, a
company. Those rows are read once, as a stream, by the same scanner that reads the files.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from psycopg import sql

from app.db.database import Database
from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.tombstones.erasure_models import ErasureRow, SearchedIndex
from app.tombstones.erasure_plan import list_row_bytes, plan_text_patterns, plan_vector_patterns
from app.tombstones.scan import Pattern, Scanner, TextScan

QUERIES = load_queries(__file__, "erasure.sql")
#: Keys travel in a setting of the transaction: the text of a COPY is shown by monitoring, and it takes no parameters.
KEYS_SETTING = "lakeward.erased_keys"


class JournalPayload(msgspec.Struct, frozen=True):
    """What one entry of the journal holds of a subject."""

    id: int
    entity: str
    field: str | None
    old: Any
    new: Any
    partition: str


class Collected(msgspec.Struct, frozen=True):
    """The patterns that are the subjects' own, what they were taken from, and how many were others' too.

    `shared` counts by kind what occurs in other rows as well; `partitions` are those of the journal to be rewritten.
    """

    patterns: list[Pattern]
    rows: int
    images: int
    journal_entries: int
    chunks: dict[str, int]
    shared: dict[str, int]
    partitions: list[str]

    def __repr__(self) -> str:
        """Without the patterns."""
        return f"Collected({len(self.patterns)} patterns)"


class _Vector(msgspec.Struct, frozen=True):
    embedding: Any
    normalised: Any
    normalised32: Any


async def collect(database: Database, row: ErasureRow, keys: Sequence[str]) -> Collected:
    """Everything that identifies the rows with these keys; reads, and changes nothing."""
    owner = database.owner()
    settings = {KEYS_SETTING: json.dumps(list(keys))}
    parameters = {
        "dataset_id": row.dataset_id,
        "dataset": row.dataset,
        "keys": keys,
        "hashes": row.key_hashes,
    }
    async with owner.begin(settings) as transaction:
        types: dict[str, str] = await transaction.fetch_value(QUERIES["column_types"], parameters) or {}
        rows = await transaction.fetch_values(_rows_of(row))
        images = await transaction.fetch_values(QUERIES["images"], parameters)
        payloads = await transaction.fetch_all(JournalPayload, QUERIES["subject_journal"], parameters)
        indexes = await transaction.fetch_all(SearchedIndex, QUERIES["indexes_over"], parameters)
        chunks = {index.name: await _count_chunks(transaction, row, index) for index in indexes}
        texts = [text for index in indexes for text in await transaction.fetch_values(_texts_of(row, index))]
        vectors = await _vectors(transaction, row, indexes)
    values = [
        *(v for found in (*rows, *images) for v in list_row_bytes(found, types)),
        *_remembered(payloads, types),
    ]
    patterns = [
        *plan_text_patterns("row_key", (key.encode() for key in keys if row.key_type == "text")),
        *plan_text_patterns("text", values),
        *plan_text_patterns("chunk", (text.encode() for text in texts)),
        *vectors,
    ]
    patterns = list({pattern.value: pattern for pattern in reversed(patterns)}.values())
    entities = sorted({*keys, *(payload.entity for payload in payloads)})
    others = await _find_others(owner, row, keys, entities, indexes, patterns)
    return Collected(
        patterns=[pattern for number, pattern in enumerate(patterns) if number not in others],
        rows=len(rows),
        images=len(images),
        journal_entries=len(payloads),
        chunks=chunks,
        shared=dict(Counter(patterns[number].kind for number in others)),
        partitions=sorted({payload.partition for payload in payloads}),
    )


def _remembered(payloads: Sequence[JournalPayload], types: Mapping[str, str]) -> list[bytes]:
    return [
        value
        for payload in payloads
        for side in (payload.old, payload.new)
        for value in list_row_bytes(side if isinstance(side, dict) else {payload.field or "": side}, types)
    ]


def _subjects(row: ErasureRow) -> sql.Composed:
    """The keys of the transaction's setting, as the dataset's type of row key."""
    return sql.SQL("(select k::{} from jsonb_array_elements_text(current_setting({})::jsonb) k)").format(
        sql.SQL(row.key_type), sql.Literal(KEYS_SETTING)
    )


def _rows_of(row: ErasureRow) -> sql.Composed:
    return sql.SQL("select to_jsonb(d) from {} d where d.{} in {}").format(
        sql.Identifier("lake", row.dataset), sql.Identifier(row.row_key), _subjects(row)
    )


def _texts_of(row: ErasureRow, index: SearchedIndex) -> sql.Composed:
    return sql.SQL(
        "select t.content from {} c join {} t on t.chunk_id = c.chunk_id where c.row_key in {}"
    ).format(_vec(index), _vec(index, "_text"), _subjects(row))


async def _count_chunks(transaction: Transaction, row: ErasureRow, index: SearchedIndex) -> int:
    statement = sql.SQL("select count(*) from {} where row_key in {}").format(_vec(index), _subjects(row))
    count: int = await transaction.fetch_value(statement)
    return count


async def _vectors(
    transaction: Transaction, row: ErasureRow, indexes: Sequence[SearchedIndex]
) -> list[Pattern]:
    """The patterns of the subjects' vectors, of those that no other chunk of any index has."""
    everywhere = await transaction.fetch_all(SearchedIndex, QUERIES["all_indexes"])
    own = {index.name for index in indexes}
    patterns: list[Pattern] = []
    for index in indexes:
        twins = sql.SQL(" and ").join(
            sql.SQL("not halfvec_send(c.embedding) in (select halfvec_send(o.embedding) from {} o{})").format(
                _vec(other),
                sql.SQL(" where o.row_key not in {}").format(_subjects(row))
                if other.name in own
                else sql.SQL(""),
            )
            for other in everywhere
            if other.dimensions == index.dimensions
        )
        statement = sql.SQL(
            "select c.embedding, l2_normalize(c.embedding) as normalised, "
            "l2_normalize(c.embedding::vector) as normalised32 from {} c where c.row_key in {} and {}"
        ).format(_vec(index), _subjects(row), twins)
        for found in await transaction.fetch_all(_Vector, statement):
            patterns += plan_vector_patterns(*(_as_array(v) for v in msgspec.structs.astuple(found)))
    return patterns


def _as_array(vector: Any) -> np.ndarray:
    return vector if isinstance(vector, np.ndarray) else vector.to_numpy()


def _vec(index: SearchedIndex, part: str = "") -> sql.Identifier:
    return sql.Identifier("vec", index.name + part)


async def _find_others(
    owner: Scope,
    row: ErasureRow,
    keys: Sequence[str],
    entities: Sequence[str],
    indexes: Sequence[SearchedIndex],
    patterns: Sequence[Pattern],
) -> set[int]:
    """The numbers of the patterns that occur in what is not the subjects'."""
    if not patterns:
        return set()
    scan = TextScan(Scanner(patterns))
    settings = {KEYS_SETTING: json.dumps(list(keys)), "lakeward.erased_entities": json.dumps(list(entities))}
    async with owner.begin(settings) as transaction:
        datasets = await transaction.fetch_values(QUERIES["table_datasets"])
        everywhere = await transaction.fetch_all(SearchedIndex, QUERIES["all_indexes"])
        own = {index.name for index in indexes}
        statements = [_other_rows(row, name) for name in datasets]
        statements += [_other_chunks(row, index, index.name in own) for index in everywhere]
        statements += [_other_records(row), _other_images(row)]
        for statement in statements:
            async with transaction.connection.cursor().copy(statement) as copy:
                async for block in copy:
                    scan.add(block)
            scan.flush()
    return set(scan.found)


def _copy(query: sql.Composed) -> sql.Composed:
    return sql.SQL("copy ({}) to stdout (format binary)").format(query)


def _other_rows(row: ErasureRow, dataset: str) -> sql.Composed:
    everybody = sql.SQL("select d.* from {} d").format(sql.Identifier("lake", dataset))
    if dataset != row.dataset:
        return _copy(everybody)
    return _copy(
        everybody + sql.SQL(" where d.{} not in {}").format(sql.Identifier(row.row_key), _subjects(row))
    )


def _other_chunks(row: ErasureRow, index: SearchedIndex, own: bool) -> sql.Composed:
    everything = sql.SQL("select t.content from {} t").format(_vec(index, "_text"))
    if not own:
        return _copy(everything)
    return _copy(
        everything
        + sql.SQL(" join {} c on c.chunk_id = t.chunk_id where c.row_key not in {}").format(
            _vec(index), _subjects(row)
        )
    )


def _other_records(row: ErasureRow) -> sql.Composed:
    return _copy(
        sql.SQL(
            "select j.entity, j.old, j.new from lakeward.journal j where j.dataset is distinct from {} "
            "or j.entity is null or j.entity not in "
            "(select jsonb_array_elements_text(current_setting('lakeward.erased_entities')::jsonb))"
        ).format(sql.Literal(row.dataset))
    )


def _other_images(row: ErasureRow) -> sql.Composed:
    return _copy(
        sql.SQL(
            "select t.key_value, t.image from lakeward.tombstone t where t.image is not null "
            "and not (t.dataset_id = {} and t.key_hash = any({}::bytea[]))"
        ).format(sql.Literal(row.dataset_id), sql.Literal(row.key_hashes))
    )
