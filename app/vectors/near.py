"""The ways to the chunks that are near: each a SELECT of chunk_id, chunk_no, distance and score.

`%(vector)s` is the query's vector. Rendered once and remembered: a statement has no value of a request in it but the
number of rows, which must be a literal (the planner takes a parameter's LIMIT for a tenth of the table, planner.c
preprocess_limit).
"""

from functools import lru_cache

import msgspec
from psycopg import sql

VEC = "vec"


def table(table_name: str, suffix: str = "") -> sql.Identifier:
    """`vec.<index>`, `vec.<index>_text`, `vec.<index>_pending` or `vec.<index>_source`, by the index's `table_name`."""
    return sql.Identifier(VEC, f"{table_name}{suffix}")


class Ground(msgspec.Struct, frozen=True):
    """What a search stands on.

    `ext` is the schema of pgvector; `hits` is SQL, the reader's own view of hits or for an admin a SELECT like it;
    `shape` a condition over it, called h, or None.
    """

    ext: str
    table_name: str
    hits: str
    shape: str | None = None

    def render(self, template: str, **parts: int | sql.SQL) -> bytes:
        """The template with this ground's names and these numbers in it."""
        return (
            sql.SQL(template)  # a constant of this module
            .format(
                distance=sql.SQL("c.embedding operator({}.<=>) %(vector)s").format(sql.Identifier(self.ext)),
                chunks=table(self.table_name),
                shown=table(self.table_name) if self.shape is None else self._met(),
                met=sql.SQL("true") if self.shape is None else self._asked_of_m(),
                hits=sql.SQL(self.hits),  # made of identifiers only
                shape=sql.SQL(self.shape or "true"),  # columns f1.., parameters
                **{
                    name: sql.Literal(part) if isinstance(part, int) else part for name, part in parts.items()
                },
            )
            .as_bytes(None)
        )

    def _asked_of_m(self) -> sql.Composed:
        return sql.SQL("exists (select from {} h where h.chunk_id = m.chunk_id and {} offset 0)").format(
            sql.SQL(self.hits), sql.SQL(self.shape or "true")
        )

    def _met(self) -> sql.Composed:
        return sql.SQL("(select h.* from {} h where {})").format(
            sql.SQL(self.hits), sql.SQL(self.shape or "true")
        )


@lru_cache(maxsize=4096)
def near_exact(ground: Ground, k: int) -> bytes:
    """Every distance is computed; with a filter, those of the chunks that meet it."""
    return ground.render(
        "select near.*, 1 - near.distance as score from ("
        "select c.chunk_id, c.chunk_no, {distance} as distance from {shown} c "
        # + 0 keeps every HNSW index out of it
        "order by ({distance}) + 0 limit {k}) near",
        k=k,
    )


@lru_cache(maxsize=4096)
def near_hnsw(ground: Ground, variant_id: int, k: int) -> bytes:
    """By the variant's graph. Its predicate is always true: repeating it is how the query picks the partial index."""
    return ground.render(
        "select near.*, 1 - near.distance as score from ("
        "select c.chunk_id, c.chunk_no, {distance} as distance from {chunks} c where c.chunk_id <> {variant} "
        "order by {distance} limit {k}) near",
        variant=-variant_id,
        k=k,
    )


@lru_cache(maxsize=4096)
def near_completed(ground: Ground, by_graph: bytes, k: int) -> bytes:
    """The best of what the graph finds and of a scan: in a small index some text may be out of the graph's reach."""
    return ground.render(
        "select near.*, 1 - near.distance as score from (select u.* from ("
        "select g.chunk_id, g.chunk_no, g.distance from ({by_graph}) g "
        "union select e.chunk_id, e.chunk_no, e.distance from ({by_scan}) e) u "
        "order by u.distance + 0 limit {k}) near",
        by_graph=sql.SQL(by_graph.decode()),
        by_scan=sql.SQL(near_exact(ground, k).decode()),
        k=k,
    )


@lru_cache(maxsize=4096)
def near_iterative(ground: Ground, variant_id: int, limit: int, k: int) -> bytes:
    """By the graph until `limit` chunks meet the filter; the best k of them, or nothing when there are fewer.

    Fewer say that the walk saw too little, so that what it found need not be the nearest. It answers them nearly in
    order (hnsw.iterative_scan = relaxed_order), so they are sorted again; + 0, since the planner trusts the index's
    order (pgvector#862). Offset 0 keeps the condition where it is: as a join it would be asked of every chunk.
    """
    return ground.render(
        "select near.*, 1 - near.distance as score from ("
        "select w.chunk_id, w.chunk_no, w.distance from (select c.*, count(*) over () as met from ("
        "select c.chunk_id, c.chunk_no, {distance} as distance from {chunks} c where c.chunk_id <> {variant} "
        "and exists (select from {hits} h where h.chunk_id = c.chunk_id and {shape} offset 0) "
        "order by {distance} limit {limit} offset 0) c) w where w.met >= {limit} "
        "order by w.distance + 0 limit {k}) near",
        variant=-variant_id,
        limit=limit,
        k=k,
    )


@lru_cache(maxsize=4096)
def near_candidates(ground: Ground, k: int) -> bytes:
    """Of the chunks that somebody else proposes, `%(candidates)s`, those that are there, seen, and meet the filter.

    And of all chunks from after `%(synced_to)s`, which somebody else may not know. Nearest first, so that no more of
    them are asked about than are wanted.
    """
    return ground.render(
        "select near.*, 1 - near.distance as score from (select n.* from ("
        "select c.chunk_id, c.chunk_no, ({distance}) + 0 as distance from ("
        "select a.chunk_id, a.chunk_no, a.embedding from {chunks} a "
        "where a.chunk_id = any(%(candidates)s::bigint[]) and a.chunk_id <= %(synced_to)s "
        "union all select b.chunk_id, b.chunk_no, b.embedding from {chunks} b where b.chunk_id > %(synced_to)s"
        ") c order by distance offset 0) n "
        "where exists (select from {hits} h where h.chunk_id = n.chunk_id and {shape} offset 0) "
        "order by n.distance limit {k}) near",
        k=k,
    )


#: Reciprocal rank fusion: the constant of Cormack, Clarke and Büttcher 2009, and how much of each list is looked at. On
#: the NPL collection nDCG@10 is .435 by vectors, .357 by words and .495 by both.
FUSION, DEPTH = 60, 100


@lru_cache(maxsize=4096)
def near_words(ground: Ground, index_id: int, k: int) -> bytes:
    """The chunks that have the words of `%(query)s`, by how often; no vector is needed, and there is no distance."""
    return ground.render(
        "select m.chunk_id, c.chunk_no, null::double precision as distance, m.rank::double precision as score "
        "from lakeward.match_words({index_id}, %(query)s, {depth}) m join {chunks} c on c.chunk_id = m.chunk_id "
        "where {met} order by m.rank desc, m.chunk_id limit {k}",
        index_id=index_id,
        depth=_depth(ground, k),
        k=k,
    )


@lru_cache(maxsize=4096)
def near_fused(ground: Ground, index_id: int, by_vector: bytes, k: int) -> bytes:
    """The best of two lists, by the sum of 1 / (60 + place): `by_vector` is one, that of the words the other.

    Nothing when the first is empty: a graph walk that came short must not leave the words alone, and by an exact search
    it is empty when there is nothing to see.
    """
    depth = max(k, DEPTH)
    return ground.render(
        "with v as materialized ("
        "select n.chunk_id, row_number() over (order by n.distance + 0) as place from ({by_vector}) n) "
        "select f.chunk_id, c.chunk_no, {distance} as distance, f.score from ("
        "select chunk_id, (coalesce(1.0 / ({fusion} + v.place), 0) + coalesce(1.0 / ({fusion} + w.place), 0))"
        "::double precision as score "
        "from v full join (select m.chunk_id, row_number() over (order by m.rank desc, m.chunk_id) as place "
        "from lakeward.match_words({index_id}, %(query)s, {words}) m where {met} "
        "order by m.rank desc, m.chunk_id limit {depth}) w using (chunk_id) where exists (select from v)"
        ") f join {chunks} c on c.chunk_id = f.chunk_id order by f.score desc, f.chunk_id limit {k}",
        by_vector=sql.SQL(by_vector.decode()),
        fusion=FUSION,
        index_id=index_id,
        words=_depth(ground, depth),
        depth=depth,
        k=k,
    )


def _depth(ground: Ground, k: int) -> int:
    """A filter is asked of all that match, since nobody knows how many of the first meet it."""
    return k if ground.shape is None else 2**31 - 1
