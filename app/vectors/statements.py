"""The statements that name an index's own tables. Identifiers only through psycopg.sql; rendered once, remembered."""

from functools import lru_cache

from psycopg import sql

from app.vectors.models import IndexRow, SearchRoute

VEC = "vec"


def table(table_name: str, suffix: str = "") -> sql.Identifier:
    """`vec.<index>`, `vec.<index>_text`, `vec.<index>_pending` or `vec.<index>_source`, by the index's `table_name`."""
    return sql.Identifier(VEC, f"{table_name}{suffix}")


def _escaped(part: sql.Composable) -> sql.SQL:
    """The part as it must stand in a statement with parameters: a `%` in a column's name is not a placeholder."""
    return sql.SQL(part.as_string(None).replace("%", "%%"))


def hnsw_name(table_name: str, variant_id: int) -> str:
    """The name of a variant's HNSW index; 62 bytes at most."""
    return f"{table_name}_v{variant_id}"


def hits_name(index_id: int, binding_id: int) -> str:
    """The name of the gate's view of an index's hits as one reader sees them (sql/30_install_index_reader.sql)."""
    return f"hits_{index_id}_{binding_id}"


@lru_cache(maxsize=4096)
def _search(index: str, chunks: str, source: str, hits: str, near: bytes, record_from: int) -> bytes:
    """The near chunks with their text, and their rows as the reader's own relation shows them.

    The gate's view of hits knows a chunk's row, the reader does not: a row key that is masked for it stays so. A row
    that the reader cannot see takes its chunks out of the answer. The search is recorded by the statement that reads:
    without its audit entry there is no answer. Fewer than `record_from` hits are not recorded: they will be asked
    for again.
    """
    return (
        sql.SQL(
            "with near as materialized ({near}), "
            "hit as materialized ("
            "select shown.doc_key, n.chunk_no, n.distance, t.content as text, shown.metadata "
            "from near n join {text} t on t.chunk_id = n.chunk_id "
            # a join cannot look into a barrier view by its index, a condition inside it can; offset 0 keeps it inside
            "cross join lateral (select h.doc_key, h.metadata from {hits} h where h.chunk_id = n.chunk_id offset 0) "
            "shown), "
            "recorded as materialized (select case when found.rows < {record_from} then true else "
            "lakeward.append_audit('search', {index_name}, array[{source}], %(sha256)s, found.rows, found.keys, "
            "extract(epoch from clock_timestamp() - statement_timestamp()) * 1000, 'ok') end as done "
            "from (select count(*) as rows, array_agg(hit.doc_key order by hit.distance) as keys from hit) found) "
            "select stale.stale_rows, hit.doc_key, hit.chunk_no, hit.distance, hit.text, hit.metadata "
            "from (select count(*) as stale_rows from (select from {pending} limit 10000) p) stale "
            "join recorded on recorded.done left join hit on true "
            # the planner trusts the index's order, which is not exact; + 0 makes it sort (pgvector#862)
            "order by hit.distance + 0"
        )
        .format(
            near=sql.SQL(near.decode()),
            pending=table(chunks, "_pending"),
            text=table(chunks, "_text"),
            hits=sql.Identifier(VEC, hits),
            index_name=sql.Literal(index),
            source=sql.Literal(source),
            record_from=sql.Literal(record_from),
        )
        .as_bytes(None)
    )


@lru_cache(maxsize=4096)
def _near_hnsw(index: str, ext: str, variant_id: int, k: int) -> bytes:
    # The predicate is always true; repeating it is how the query picks this variant's partial index, and a literal
    # LIMIT keeps the planner from costing it as a tenth of the table (reference: planner.c preprocess_limit).
    return (
        sql.SQL(
            "select chunk_id, chunk_no, embedding operator({ext}.<=>) %(vector)s as distance from {chunks} "
            "where chunk_id <> {variant} order by embedding operator({ext}.<=>) %(vector)s limit {k}"
        )
        .format(
            ext=sql.Identifier(ext),
            chunks=table(index),
            variant=sql.Literal(-variant_id),
            k=sql.Literal(k),
        )
        .as_bytes(None)
    )


@lru_cache(maxsize=4096)
def _near_exact(index: str, ext: str, k: int) -> bytes:
    # + 0 keeps every HNSW index out of it: each row's distance is computed
    return (
        sql.SQL(
            "select chunk_id, chunk_no, embedding operator({ext}.<=>) %(vector)s as distance from {chunks} "
            "order by (embedding operator({ext}.<=>) %(vector)s) + 0 limit {k}"
        )
        .format(ext=sql.Identifier(ext), chunks=table(index), k=sql.Literal(k))
        .as_bytes(None)
    )


def search_statement(route: SearchRoute, ext: str, k: int, *, exact: bool) -> bytes:
    """The one statement of a search, with the parameters `vector` and `sha256`, the hash of what was asked."""
    hits = hits_name(route.index_id, route.binding_id)
    if exact or route.variant_id is None:
        return _search(
            route.name, route.table_name, route.source, hits, _near_exact(route.table_name, ext, k), 0
        )
    near = _near_hnsw(route.table_name, ext, route.variant_id, k)
    return _search(route.name, route.table_name, route.source, hits, near, k)


def pending_statement(index: IndexRow, limit: int, *, first: bool) -> bytes:
    """The next rows to embed with their text columns, by row key; after `last` unless it is the first read."""
    texts = sql.SQL(", ").join(
        part
        for position, column in enumerate(index.text_columns, start=1)
        for part in (_escaped(sql.Literal(column)), sql.Identifier("r", f"t{position}"))
    )
    after = sql.SQL("" if first else "where p.row_key > %(last)s ")
    return (
        sql.SQL(
            "select p.row_key, p.seq, jsonb_build_object({texts}) as texts from {pending} p "
            "join {rows} r on r.row_key = p.row_key {after}order by p.row_key limit {limit}"
        )
        .format(
            texts=texts,
            pending=table(index.table_name, "_pending"),
            rows=table(index.table_name, "_source"),
            after=after,
            limit=sql.Literal(limit),
        )
        .as_bytes(None)
    )
