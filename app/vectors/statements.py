"""The statements that name an index's own tables. Identifiers only through psycopg.sql; rendered once, remembered."""

from functools import lru_cache

import msgspec
from psycopg import sql

from app.vectors.models import SearchRoute
from app.vectors.near import VEC, table

__all__ = [
    "VEC",
    "hits_sql",
    "hnsw_name",
    "sample_statement",
    "search_statement",
    "table",
]


def _escaped(part: sql.Composable) -> sql.SQL:
    """The part as it must stand in a statement with parameters: a `%` in a column's name is not a placeholder."""
    return sql.SQL(part.as_string(None).replace("%", "%%"))


class IndexNames(msgspec.Struct, frozen=True):
    """What a search's statement says of its index: for the record, and where its rows are."""

    id: int
    name: str
    table_name: str
    source: str


def hnsw_name(table_name: str, variant_id: int) -> str:
    """The name of a variant's HNSW index; 62 bytes at most."""
    return f"{table_name}_v{variant_id}"


def hits_sql(route: SearchRoute) -> str:
    """The hits as who asks may see them, as SQL of a FROM item.

    A reader has the gate's view for it (sql/30_install_index_reader.sql); an admin sees the dataset's own rows.
    """
    if route.binding_id is not None:
        return _hits_view(route.index_id, route.binding_id)
    fields = sql.SQL("").join(
        sql.SQL(", {} as {}").format(_escaped(sql.Identifier("d", field.name)), sql.Identifier(field.column))
        for field in route.fields
    )
    return (
        sql.SQL(
            "(select c.chunk_id, c.chunk_no, c.embedding, c.row_key::text as doc_key, "
            "to_jsonb(d.*) - {texts}::text[] as metadata{fields} "
            "from {chunks} c join {rows} d on d.{row_key} = c.row_key)"
        )
        .format(
            texts=_escaped(sql.Literal(route.text_columns)),
            fields=fields,
            chunks=table(route.table_name),
            rows=sql.Identifier("lake", route.base_table),
            row_key=_escaped(sql.Identifier(route.row_key)),
        )
        .as_string(None)
    )


@lru_cache(maxsize=4096)
def _hits_view(index_id: int, binding_id: int) -> str:
    return sql.Identifier(VEC, f"hits_{index_id}_{binding_id}").as_string(None)


@lru_cache(maxsize=4096)
def search_statement(index: IndexNames, hits: str, near: bytes, keep_questions: int = 0) -> bytes:
    """The one statement of a search. Parameters: those of `near`, `sha256` (the hash of what was asked), `record_from`.

    The near chunks with their text, and their rows as the reader's own relation shows them. The view of hits knows a
    chunk's row, the reader does not: a row key that is masked for it stays so. A row that the reader cannot see takes
    its chunks out of the answer. The search is recorded by the statement that reads: without its audit entry there is
    no answer. Fewer than `record_from` hits are not recorded: they will be asked for again. With `keep_questions` the
    parameter `query` is kept among the last so many.
    """
    kept = sql.SQL("and lakeward.keep_question({}, %(query)s, {}) ").format(
        sql.Literal(index.id), sql.Literal(keep_questions)
    )
    return (
        sql.SQL(
            "with near as materialized ({near}), "
            "hit as materialized ("
            "select shown.doc_key, n.chunk_id, n.chunk_no, n.distance, n.score, t.content as text, "
            "t.start_at, t.end_at, shown.metadata "
            "from near n join {text} t on t.chunk_id = n.chunk_id "
            # a join cannot look into a barrier view by its index, a condition inside it can; offset 0 keeps it inside
            "cross join lateral (select h.doc_key, h.metadata from {hits} h where h.chunk_id = n.chunk_id offset 0) "
            "shown), "
            "recorded as materialized (select case when found.rows < %(record_from)s then true else "
            "lakeward.append_audit('search', {index_name}, array[{source}], %(sha256)s, found.rows, found.keys, "
            "extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok') {kept}end as done "
            "from (select count(*) as rows, array_agg(hit.doc_key order by hit.distance) as keys from hit) found) "
            "select stale.stale_rows, hit.* "
            "from (select count(*) as stale_rows from (select from {pending} limit 10000) p) stale "
            "join recorded on recorded.done left join hit on true "
            "order by hit.score desc, hit.distance"
        )
        .format(
            near=sql.SQL(near.decode()),  # made of identifiers and numbers only
            pending=table(index.table_name, "_pending"),
            text=table(index.table_name, "_text"),
            hits=sql.SQL(hits),  # as above
            index_name=sql.Literal(index.name),
            source=sql.Literal(index.source),
            kept=kept if keep_questions else sql.SQL(""),
        )
        .as_bytes(None)
    )


@lru_cache(maxsize=4096)
def there_statement(table_name: str, hits: str) -> bytes:
    """Of the chunks `%(chunks)s` those that are still there, and still the reader's to see."""
    return (
        sql.SQL(
            "select h.chunk_id from {hits} h join {text} t on t.chunk_id = h.chunk_id "
            "where h.chunk_id = any(%(chunks)s::bigint[])"
        )
        .format(hits=sql.SQL(hits), text=table(table_name, "_text"))  # made of identifiers only
        .as_bytes(None)
    )


@lru_cache(maxsize=4096)
def sample_statement(table_name: str, hits: str, shape: str, stride: int, limit: int) -> bytes:
    """Of `%(percent)s` of the chunks' pages one chunk in `stride`: how many are hits, and how many meet a filter."""
    return (
        sql.SQL(
            "select count(*) as seen, count(*) filter (where {shape}) as met from {hits} h "
            "where h.chunk_id = any(array("
            "select c.chunk_id from {chunks} c tablesample system (%(percent)s) repeatable (1) "
            "where c.chunk_id %% {stride} = 0 limit {limit}))"
        )
        .format(
            hits=sql.SQL(hits),  # made of identifiers only
            shape=sql.SQL(shape),  # columns f1.., parameters
            chunks=table(table_name),
            stride=sql.Literal(stride),
            limit=sql.Literal(limit),
        )
        .as_bytes(None)
    )
