"""Indexes: defined, listed, deleted. Their chunks are written by the indexing job, their variants by activation."""

import contextlib

import msgspec
from psycopg import sql

from app.db.queries import load_queries
from app.db.scope import Scope, Transaction
from app.errors import ConflictError, InvalidInputError, LakewardError, NotFoundError
from app.jobs.service import defer_job
from app.models.choice import choose_model
from app.models.embedders import Embedders
from app.models.protocol import Embedder
from app.vectors.indexing import get_index_row
from app.vectors.models import (
    ChunkConfig,
    DeletedIndex,
    IndexAccepted,
    IndexFreshness,
    IndexRequest,
    IndexRow,
    IndexSource,
    IndexVersion,
    Variant,
    VectorIndex,
)
from app.vectors.plan import plan_index
from app.vectors.statements import table
from app.web.paging import Page, decode_cursor, plan_page

QUERIES = load_queries(__file__)
JOB_KIND = "index"


class _Counts(msgspec.Struct, frozen=True):
    chunks: int
    documents: int
    stale_rows: int


async def find_embedder(embedders: Embedders, request: IndexRequest) -> Embedder:
    """The embedder of the model that the request names; without one that of new indexes.

    Raises:
        InvalidInputError: no configured model that answers is that one, or more than one is; or a provider or a
            version without a model.
    """
    if request.model is None:
        if request.provider is not None or request.version is not None:
            raise InvalidInputError(
                "provider and version tell two models of one name apart: name the model, too"
            )
        return embedders.default
    infos = await embedders.list_infos()
    preferred = None
    with contextlib.suppress(LakewardError):  # it is away, and no model that answers
        preferred = await embedders.describe(embedders.default)
    try:
        info = choose_model(infos, request.model, request.provider, request.version, preferred=preferred)
    except NotFoundError as exc:
        raise InvalidInputError(f"model: {exc.message}") from exc
    return await embedders.find(info.provider, info.name, info.version)


async def create_index(scope: Scope, embedder: Embedder, request: IndexRequest) -> IndexAccepted:
    """Define the index, unless it is there with the same definition, and defer the job that embeds what is missing.

    `embedder` is of the model that the request names.

    Raises:
        NotFoundError: no such relation or column.
        InvalidInputError: see plan_index.
        ConflictError: the name is taken by an index with another definition.
    """
    info = await embedder.describe()
    async with scope.begin() as transaction:
        source = await transaction.find_one(IndexSource, QUERIES["source"], {"name": request.source})
        if source is None:
            raise NotFoundError(f"no dataset or view {request.source[:60]!r}")
        columns = await transaction.fetch_values(QUERIES["source_columns"], {"relation_id": source.id})
        name = plan_index(request, source, columns)
        wanted = {
            "name": name,
            "text_columns": request.text_columns,
            "chunk_size": request.chunk.size,
            "chunk_overlap": request.chunk.overlap,
            "provider": info.provider,
            "model_name": info.name,
            "model_version": info.version,
            "dimensions": info.dimensions,
            "row_key": source.row_key,
        }
        parameters = {"name": name, "source": None, "model": None, "after": None, "limit": 1}
        found = await transaction.find_one(IndexRow, QUERIES["indexes"], parameters)
        if found is None:
            await transaction.execute(QUERIES["create_index"], {**wanted, "relation_id": source.id})
        else:
            _check_same(found, request.source, wanted)
        policy = {"name": name, "policy": request.refresh_policy, "seconds": request.refresh_s}
        await transaction.execute(QUERIES["set_refresh_policy"], policy)
        job_id = await defer_job(
            transaction,
            kind=JOB_KIND,
            subject=name,
            args={"index": name},
            unit="rows",
            lock=f"index:{name}",
            created_by=scope.actor.principal,
        )
    return IndexAccepted(job_id=job_id, index=name)


def _check_same(found: IndexRow, source: str, wanted: dict[str, object]) -> None:
    have = msgspec.structs.asdict(found)
    different = [field for field, value in wanted.items() if have[field] != value]
    if found.source != source:
        different.insert(0, "source")
    if different:
        raise ConflictError(
            f"index {found.name!r} exists with another {', '.join(different)}; choose another name or delete it"
        )


async def get_index(scope: Scope, name: str) -> VectorIndex:
    """The index with its counts as they are now.

    Raises:
        NotFoundError: no such index, or not the caller's to see.
    """
    return await _describe(scope, await get_index_row(scope, name))


async def list_indexes(
    scope: Scope, source: str | None, model: str | None, limit: int, cursor: str | None
) -> Page[VectorIndex]:
    """The indexes the scope may see, by name."""
    after = decode_cursor(cursor, str) if cursor else None
    parameters = {"name": None, "source": source, "model": model, "after": after, "limit": limit + 1}
    rows = await scope.fetch(IndexRow, QUERIES["indexes"], parameters)
    page = plan_page(rows, limit, lambda row: row.name)
    return Page(items=[await _describe(scope, row) for row in page.items], next_cursor=page.next_cursor)


async def _list_versions(transaction: Transaction, name: str) -> list[IndexVersion]:
    versions = await transaction.fetch_all(IndexVersion, QUERIES["index_versions"], {"name": name})
    counted = []
    for version in versions:
        count = await transaction.find_one(_Counts, _count(version.table_name))
        assert count is not None
        counted.append(
            msgspec.structs.replace(version, table_name="", chunks=count.chunks, stale_rows=count.stale_rows)
        )
    return counted


def _count(table_name: str) -> sql.Composed:
    return sql.SQL(
        "select (select count(*) from {chunks}) as chunks,"
        " (select count(*) from {chunks} where chunk_no = 0) as documents,"
        " (select count(*) from {pending}) as stale_rows"
    ).format(chunks=table(table_name), pending=table(table_name, "_pending"))


async def _describe(scope: Scope, row: IndexRow) -> VectorIndex:
    counts = _count(row.table_name)
    async with scope.begin() as transaction:
        count = await transaction.find_one(_Counts, counts)
        variants = await transaction.fetch_all(Variant, QUERIES["variants"], {"index_id": row.id})
        versions = await _list_versions(transaction, row.name)
    if count is None:
        raise NotFoundError(f"no index {row.name!r}")
    return VectorIndex(
        name=row.name,
        source=row.source,
        text_columns=row.text_columns,
        chunk=ChunkConfig(size=row.chunk_size, overlap=row.chunk_overlap),
        provider=row.provider,
        model_name=row.model_name,
        model_version=row.model_version,
        dimensions=row.dimensions,
        chunks=count.chunks,
        documents=count.documents,
        variants=variants,
        freshness=IndexFreshness(stale_rows=count.stale_rows, last_embedded_at=row.last_embedded_at),
        created_at=row.created_at,
        versions=versions,
        refresh_policy=row.refresh_policy,
        refresh_s=row.refresh_s,
    )


async def delete_index(scope: Scope, name: str) -> DeletedIndex:
    """The index, its chunks and its variants go in one transaction; the dataset stays as it is.

    Raises:
        NotFoundError: no such index.
    """
    index = await get_index(scope, name)
    async with scope.begin() as transaction:
        await transaction.execute(QUERIES["lock_versions"], {"name": name})
        if await transaction.execute(QUERIES["delete_index"], {"name": name}) == 0:
            raise NotFoundError(f"no index {name[:60]!r}")
    await drop_idle_triggers(scope)
    return DeletedIndex(name=name, source=index.source, chunks=index.chunks)


async def drop_idle_triggers(scope: Scope) -> int:
    """Drop the triggers of deleted indexes; how many datasets are too busy for it now.

    `scope` is the owner's or a steward's.
    """
    busy: int = await scope.fetch_value(QUERIES["drop_idle_triggers"])
    return busy
