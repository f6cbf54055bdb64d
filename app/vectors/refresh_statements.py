"""The statements of indexing: what waits, what is written, what is reused. Identifiers only through psycopg.sql."""

from psycopg import sql

from app.vectors.models import IndexRow
from app.vectors.near import table

#: A row with more text is set aside: its chunks would be tens of thousands.
MAX_ROW_BYTES = 32 * 1024 * 1024
#: Text that is read at a time, but for the first row, which is always read.
READ_BYTES = 4 * 1024 * 1024


def _escaped(part: sql.Composable) -> sql.SQL:
    """The part as it must stand in a statement with parameters: a `%` in a column's name is not a placeholder."""
    return sql.SQL(part.as_string(None).replace("%", "%%"))


def read_pending(index: IndexRow, limit: int, *, first: bool) -> sql.Composed:
    """The next rows to embed with their text columns, by row key; after `last` unless it is the first read.

    `texts` is null when there are more than MAX_ROW_BYTES of them. What was set aside is not read.
    """
    columns = [sql.Identifier("r", f"t{position}") for position in range(1, len(index.text_columns) + 1)]
    texts = sql.SQL(", ").join(
        part
        for name, column in zip(index.text_columns, columns, strict=True)
        for part in (_escaped(sql.Literal(name)), column)
    )
    # of a text this is known without reading it
    size = sql.SQL(" + ").join(sql.SQL("coalesce(octet_length({}::text), 0)").format(c) for c in columns)
    return sql.SQL(
        "select row_key, seq, bytes, texts from ("
        "select r.row_key, r.seq, z.bytes, sum(z.bytes) over (order by r.row_key) - z.bytes as before, "
        "case when z.bytes <= {max_row} then jsonb_build_object({texts}) end as texts from ("
        "select p.row_key, p.seq, {shown} from {pending} p join {source} r on r.row_key = p.row_key "
        "where p.reason is null {after}order by p.row_key limit {limit}) r "
        "cross join lateral (select ({size})::bigint as bytes) z"
        ") found where before <= {read} order by row_key"
    ).format(
        max_row=sql.Literal(MAX_ROW_BYTES),
        texts=texts,
        shown=sql.SQL(", ").join(columns),
        size=size,
        pending=table(index.table_name, "_pending"),
        source=table(index.table_name, "_source"),
        after=sql.SQL("" if first else "and p.row_key > %(last)s "),
        limit=sql.Literal(limit),
        read=sql.Literal(READ_BYTES),
    )


def find_vectors(index: IndexRow) -> sql.Composed:
    """The vectors of chunks that have exactly these `texts`, by the text's position in the list, from 1."""
    return sql.SQL(
        "select u.n::integer as position, c.embedding from unnest(%(texts)s::text[]) with ordinality u (content, n) "
        "cross join lateral (select t.chunk_id from {texts} t "
        "where hashtextextended(t.content, 0) = hashtextextended(u.content, 0) and t.content = u.content limit 1) t "
        "join {chunks} c on c.chunk_id = t.chunk_id"
    ).format(texts=table(index.table_name, "_text"), chunks=table(index.table_name))


def lock_rows(index: IndexRow) -> sql.Composed:
    """The `keys` that are pending as they were when they were read, by `seqs`; in order, as sql/30_track_rows.sql."""
    return sql.SQL(
        "select p.row_key from {pending} p "
        "join unnest(%(keys)s::{type}[], %(seqs)s::bigint[]) r (row_key, seq) using (row_key, seq) "
        "order by p.row_key for update of p"
    ).format(pending=table(index.table_name, "_pending"), type=sql.SQL(index.row_key_type))


def remove_pending(index: IndexRow) -> sql.Composed:
    """The `keys` are not pending any more."""
    return sql.SQL("delete from {} where row_key = any(%(keys)s::{}[])").format(
        table(index.table_name, "_pending"), sql.SQL(index.row_key_type)
    )


def set_aside(index: IndexRow) -> sql.Composed:
    """The `keys` stay pending for these `reasons`."""
    return sql.SQL(
        "update {pending} p set reason = r.reason "
        "from unnest(%(keys)s::{type}[], %(reasons)s::text[]) r (row_key, reason) where r.row_key = p.row_key"
    ).format(pending=table(index.table_name, "_pending"), type=sql.SQL(index.row_key_type))


def try_again(index: IndexRow) -> sql.Composed:
    """What was set aside waits again."""
    return sql.SQL("update {} set reason = null where reason is not null").format(
        table(index.table_name, "_pending")
    )


def count_rows(index: IndexRow) -> sql.Composed:
    """All rows of the relation, and those that wait."""
    return sql.SQL(
        "select (select count(*) from {} where reason is null) as pending, (select count(*) from {}) as rows"
    ).format(table(index.table_name, "_pending"), table(index.table_name, "_source"))


def list_rejected(index: IndexRow) -> sql.Composed:
    """What was set aside, by row key; keyset by its text."""
    return sql.SQL(
        'select row_key::text collate "C" as row_key, reason, since from {} where reason is not null '
        'and (%(after)s::text is null or row_key::text collate "C" > %(after)s) order by 1 limit %(limit)s'
    ).format(table(index.table_name, "_pending"))


def find_lost(index: IndexRow) -> sql.Composed:
    """Rows with text that have neither chunks nor wait, which should be none, wait from now on.

    Locked as a writer would: a row that is being deleted or changed is that writer's own business.
    """
    columns = [sql.Identifier("r", f"t{position}") for position in range(1, len(index.text_columns) + 1)]
    return sql.SQL(
        "insert into {pending} (row_key) select r.row_key from {source} r where ({text}) "
        "and not exists (select from {chunks} c where c.row_key = r.row_key) "
        "and not exists (select from {pending} p where p.row_key = r.row_key) for share on conflict do nothing"
    ).format(
        pending=table(index.table_name, "_pending"),
        source=table(index.table_name, "_source"),
        chunks=table(index.table_name),
        text=sql.SQL(" or ").join(sql.SQL("{}::text ~ '\\S'").format(column) for column in columns),
    )


def remove_stray(index: IndexRow) -> sql.Composed:
    """Chunks and pending keys of rows that are not in the relation, which should be none; answers the rows."""
    return sql.SQL(
        "with chunk as (delete from {chunks} c where not exists (select from {source} r where r.row_key = c.row_key) "
        "returning c.chunk_id, c.row_key), "
        "body as (delete from {texts} t using chunk where t.chunk_id = chunk.chunk_id), "
        "waiting as (delete from {pending} p where not exists (select from {source} r where r.row_key = p.row_key)) "
        "select count(distinct row_key) from chunk"
    ).format(
        chunks=table(index.table_name),
        source=table(index.table_name, "_source"),
        texts=table(index.table_name, "_text"),
        pending=table(index.table_name, "_pending"),
    )


def lock_chunks(index: IndexRow) -> sql.Composed:
    """First, as whoever deletes the index does; the other order would be a deadlock."""
    return sql.SQL("lock table {} in row exclusive mode").format(table(index.table_name))
