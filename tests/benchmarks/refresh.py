"""Refresh after one row of a hundred changed, beside the first build; and after a column changed that no text is of."""

import time

import uvloop

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.database import Database, open_database
from app.models.embedders import Embedders
from app.models.minilm import MiniLMEmbedder
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile
from app.vectors.activation import activate
from app.vectors.indexing import Indexed, index_pending
from app.vectors.models import IndexRequest
from app.vectors.service import create_index
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK, Home

ROWS = 2_000 if QUICK else 20_000
DATASET, INDEX, PROFILE = "living", "living_v1", "refreshing"


async def _unheard(done: int, total: int | None = None) -> None:
    """Progress that nobody watches."""


async def _index(database: Database, embedders: Embedders) -> tuple[Indexed, float]:
    started = time.perf_counter()
    indexed = await index_pending(database, embedders, INDEX, _unheard)
    return indexed, time.perf_counter() - started


async def _change(database: Database, statement: str) -> float:
    """Seconds of the UPDATE itself."""
    started = time.perf_counter()
    async with database.owner(timeout_ms=300_000).begin() as transaction:
        await transaction.execute(statement)
    return time.perf_counter() - started


async def _load(database: Database, corpus: Corpus) -> None:
    columns = [ColumnRequest(name=name, type="text") for name in ("id", "text")]
    columns.append(ColumnRequest(name="draw", type="bigint"))
    steward = database.steward()
    await create_or_update_dataset(steward, DatasetRequest(name=DATASET, row_key="id", columns=columns))
    step = len(corpus.glosses) // ROWS
    async with database.owner().begin() as transaction:
        cursor = transaction.connection.cursor()
        async with cursor.copy("copy lake.living (id, text, draw) from stdin") as copy:
            for number, gloss in enumerate(corpus.glosses[::step][:ROWS]):
                await copy.write_row((gloss.id, gloss.text, number))


async def _measure(home: Home, corpus: Corpus) -> list[Figure]:
    database = await open_database(home.service_dsn, home.settings)
    embedder = MiniLMEmbedder()
    embedders = Embedders(embedder)
    try:
        await embedder.embed([gloss.text for gloss in corpus.glosses[:100]])
        await _load(database, corpus)
        steward = database.steward()
        await create_index(steward, embedder, IndexRequest(source=DATASET, text_columns=["text"]))
        full, full_s = await _index(database, embedders)
        await create_or_update_profile(steward, ProfileRequest(id=PROFILE, bound_datasets=[DATASET]))
        await activate(database, steward, PROFILE)
        changed = "update lake.living set text = text || ', so they say' where draw % 100 = 7"
        changed_s = await _change(database, changed)
        part, part_s = await _index(database, embedders)
        other_s = await _change(database, "update lake.living set draw = draw + 1")
        none, none_s = await _index(database, embedders)
    finally:
        await embedder.close()
        await database.close()
    assert (full.embedded, part.embedded) == (ROWS, ROWS // 100), (full, part)
    return [
        Figure(
            name="refresh after 1% of the rows changed, beside the first build",
            ours=f"{part_s:.2f} s ({part.embedded:,} rows embedded; the UPDATE {changed_s:.2f} s)",
            peer=f"{full_s:.1f} s ({full.embedded:,} rows embedded)",
            value=part_s / full_s * 100,
            unit="%",
            relation="<=",
            target=3,
            note="the graph of a profile grows along; texts of 80 characters, MiniLM fp32",
        ),
        Figure(
            name="… after a column changed in all rows that no text is of: rows embedded",
            ours=f"{none.embedded} ({none_s:.2f} s; the UPDATE {other_s:.2f} s)",
            peer="",
            value=none.embedded + none.reused,
            unit="rows",
            relation="<=",
            target=0,
        ),
    ]


def measure(home: Home, corpus: Corpus) -> list[Figure]:
    """On a dataset of its own."""
    return uvloop.run(_measure(home, corpus))
