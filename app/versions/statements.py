"""The statements over the tables of two versions of an index. Identifiers only through psycopg.sql."""

from psycopg import sql

from app.vectors.statements import table


def count_behind(new: str, old: str) -> sql.Composed:
    """Rows that can be found in the old version and wait in the new one."""
    return sql.SQL(
        "select count(*) from {new} n where not exists (select from {old} o where o.row_key = n.row_key)"
    ).format(new=table(new, "_pending"), old=table(old, "_pending"))


def count_pending(name: str) -> sql.Composed:
    """Rows that wait in a version."""
    return sql.SQL("select count(*) from {}").format(table(name, "_pending"))


def move_questions(new: str, old: str) -> sql.Composed:
    """Questions that are parts of chunks become parts of the same chunks of the new version; `evals`."""
    return sql.SQL(
        "update lakeward.eval_query q set chunk_id = n.chunk_id from {old} o join {new} n "
        "on n.row_key = o.row_key and n.chunk_no = o.chunk_no "
        "where q.eval_id = any(%(evals)s::bigint[]) and q.chunk_id = o.chunk_id"
    ).format(new=table(new), old=table(old))


def drop_questions(old: str, new: str) -> sql.Composed:
    """Questions whose chunk the new version has not: their row waits, or is gone; `evals`."""
    return sql.SQL(
        "delete from lakeward.eval_query q where q.eval_id = any(%(evals)s::bigint[]) and q.chunk_id is not null "
        "and not exists (select from {old} o join {new} n on n.row_key = o.row_key and n.chunk_no = o.chunk_no "
        "where o.chunk_id = q.chunk_id)"
    ).format(new=table(new), old=table(old))


def sample_texts(name: str, limit: int) -> sql.Composed:
    """Chunks of a version with their rows' keys, at random but the same while it is the same."""
    return sql.SQL(
        "select c.chunk_id, c.row_key::text as row_key, t.content from {} c join {} t on t.chunk_id = c.chunk_id "
        "order by hashint8extended(c.chunk_id, 2), c.chunk_id limit {}"
    ).format(table(name), table(name, "_text"), sql.Literal(limit))


def chunk_texts(name: str) -> sql.Composed:
    """The chunks `ids` of a version with their rows' keys."""
    return sql.SQL(
        "select c.chunk_id, c.row_key::text as row_key, t.content from {} c join {} t on t.chunk_id = c.chunk_id "
        "where c.chunk_id = any(%(ids)s)"
    ).format(table(name), table(name, "_text"))


def present_rows(name: str) -> sql.Composed:
    """Which of the rows `keys` a version has."""
    return sql.SQL("select distinct c.row_key::text from {} c where c.row_key::text = any(%(keys)s)").format(
        table(name)
    )


def nearest_rows(name: str, ext: str, k: int) -> sql.Composed:
    """The keys of the k rows with the nearest chunks, exactly, nearest first; `vector`."""
    return sql.SQL(
        "select row_key::text from ("
        "select row_key, embedding operator({ext}.<=>) %(vector)s::{ext}.halfvec as distance from {chunks} "
        # + 0 keeps every HNSW index out of it
        "order by (embedding operator({ext}.<=>) %(vector)s::{ext}.halfvec) + 0 limit {chunks_read}) near "
        "group by row_key order by min(distance), row_key limit {k}"
    ).format(ext=sql.Identifier(ext), chunks=table(name), chunks_read=sql.Literal(20 * k), k=sql.Literal(k))


def row_vectors(name: str) -> sql.Composed:
    """The vectors of the rows `keys`, by the chunk; each with its row's key as text."""
    return sql.SQL(
        "select c.row_key::text as key, c.embedding from {chunks} c "
        "where c.row_key::text = any(%(keys)s) order by c.row_key, c.chunk_no"
    ).format(chunks=table(name))
