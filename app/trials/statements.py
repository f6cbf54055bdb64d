"""The statements of a trial's copy. Identifiers only through psycopg.sql."""

from psycopg import sql

from app.trials.models import Build

VEC = "vec"


def copy_name(job_id: str) -> str:
    """The table that a job's trial works on; a second attempt has the same."""
    return f"_trial_{job_id.replace('-', '')}"


def copy_table(name: str) -> sql.Identifier:
    """`vec.<name>`."""
    return sql.Identifier(VEC, name)


def create_copy(name: str, chunks: sql.Identifier) -> list[sql.Composed]:
    """The live vectors, unlogged: empty after a crash of the server, and without WAL. Inline, as in the index."""
    copied = copy_table(name)
    return [
        sql.SQL("create unlogged table {} as select chunk_id, embedding from {} with no data").format(
            copied, chunks
        ),
        sql.SQL("alter table {} alter column embedding set storage main").format(copied),
        sql.SQL("insert into {} select chunk_id, embedding from {}").format(copied, chunks),
    ]


def drop_copy(name: str) -> sql.Composed:
    """With its graphs."""
    return sql.SQL("drop table if exists {}").format(copy_table(name))


def _indexed(build: Build, dimensions: int, ext: str) -> tuple[sql.Composed, sql.Identifier]:
    """What a graph is made of, and how it compares."""
    schema, length = sql.Identifier(ext), sql.Literal(dimensions)
    if build.type == "vector":
        made_of = sql.SQL("(embedding::{}.vector({}))").format(schema, length)
        return made_of, sql.Identifier(ext, "vector_cosine_ops")
    if build.type == "binary":
        made_of = sql.SQL("({}.binary_quantize(embedding)::bit({}))").format(schema, length)
        return made_of, sql.Identifier(ext, "bit_hamming_ops")
    return sql.SQL("{}").format(sql.Identifier("embedding")), sql.Identifier(ext, "halfvec_cosine_ops")


def create_graph(name: str, slot: int, build: Build, dimensions: int, ext: str) -> sql.Composed:
    """One arm's HNSW index. Its predicate is always true, and chosen by the search that repeats it."""
    made_of, operators = _indexed(build, dimensions, ext)
    return sql.SQL(
        "create index {index} on {table} using hnsw ({made_of} {operators}) with (m = {m}, ef_construction = {ef}) "
        "where {chosen}"
    ).format(
        index=sql.Identifier(f"{name}_arm{slot}"),
        table=copy_table(name),
        made_of=made_of,
        operators=operators,
        m=sql.Literal(build.m),
        ef=sql.Literal(build.ef_construction),
        chosen=_chosen(slot),
    )


def _chosen(slot: int) -> sql.Composed:
    return sql.SQL("chunk_id <> {}").format(sql.Literal(-1 - slot))


def graph(name: str, slot: int) -> sql.Identifier:
    """A graph of the copy."""
    return sql.Identifier(VEC, f"{name}_arm{slot}")


def search(
    name: str, slot: int, build: Build, dimensions: int, ext: str, ef_search: int, k: int
) -> sql.Composed:
    """The k nearest by the graph, with their distances as the index itself compares; the parameter is `vector`.

    Of `binary` ef_search rows by their signs, then the k nearest of them.
    """
    made_of, _ = _indexed(build, dimensions, ext)
    schema = sql.Identifier(ext)
    distance = sql.SQL("embedding operator({}.<=>) %(vector)s::{}.halfvec").format(schema, schema)
    if build.type == "halfvec":
        near = sql.SQL("select {} as distance from {} where {} order by {} limit {}").format(
            distance, copy_table(name), _chosen(slot), distance, sql.Literal(k)
        )
    elif build.type == "vector":
        ordered = sql.SQL("{} operator({}.<=>) %(vector)s::{}.halfvec::{}.vector").format(
            made_of, schema, schema, schema
        )
        near = sql.SQL("select {} as distance from {} where {} order by {} limit {}").format(
            distance, copy_table(name), _chosen(slot), ordered, sql.Literal(k)
        )
    else:
        signs = sql.SQL("{}.binary_quantize(%(vector)s::{}.halfvec)").format(schema, schema)
        near = sql.SQL(
            "select {} as distance from (select embedding from {} where {} order by {} operator({}.<~>) {} "
            "limit {}) rough order by 1 limit {}"
        ).format(
            distance,
            copy_table(name),
            _chosen(slot),
            made_of,
            schema,
            signs,
            sql.Literal(ef_search),
            sql.Literal(k),
        )
    return near


def count_chunks(chunks: sql.Identifier) -> sql.Composed:
    """How many chunks an index has."""
    return sql.SQL("select count(*) from {}").format(chunks)


def version(chunks: sql.Identifier) -> sql.Composed:
    """What changes when chunks come or go: ids are given once, and chunks are never changed."""
    return sql.SQL(
        "select count(*) || '/' || coalesce(max(chunk_id), 0) || '/' || coalesce(sum(chunk_id), 0) from {}"
    ).format(chunks)
