"""The corpus as a dataset with an index, a profile and a variant, the embedding itself left out."""

import random

from pgvector import HalfVector
from psycopg import sql

from app.catalog.models import ColumnRequest, DatasetRequest
from app.catalog.service import create_or_update_dataset
from app.db.builder import building
from app.db.database import Database
from app.models.minilm import MiniLMEmbedder
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile
from app.vectors.activation import activate
from app.vectors.activation_models import Activation
from app.vectors.models import IndexRequest
from app.vectors.service import create_index
from tests.benchmarks.corpus import Corpus

DATASET, INDEX, PROFILE = "glosses", "glosses_v1", "reader"


async def prepare_index(database: Database, corpus: Corpus) -> Activation:
    """Rows, chunks and the default variant; what activation said."""
    steward, owner = database.steward(), database.owner()
    columns = [ColumnRequest(name=name, type="text") for name in ("id", "pos", "topic", "text")]
    columns.append(ColumnRequest(name="draw", type="bigint"))
    draws = random.Random(11)
    await create_or_update_dataset(steward, DatasetRequest(name=DATASET, row_key="id", columns=columns))
    async with owner.begin() as transaction:
        cursor = transaction.connection.cursor()
        async with cursor.copy("copy lake.glosses (id, pos, topic, text, draw) from stdin") as copy:
            for gloss in corpus.glosses:
                await copy.write_row((gloss.id, gloss.pos, gloss.topic, gloss.text, draws.randrange(1000)))
    # the vectors are its own, made elsewhere
    await create_index(steward, MiniLMEmbedder(), IndexRequest(source=DATASET, text_columns=["text"]))
    async with owner.begin() as transaction:
        cursor = transaction.connection.cursor()
        vectors = sql.SQL(
            "copy vec.glosses_v1 (chunk_id, row_key, chunk_no, embedding) from stdin (format binary)"
        )
        async with cursor.copy(vectors) as copy:
            copy.set_types(["int8", "text", "int4", "halfvec"])
            for position, gloss in enumerate(corpus.glosses):
                await copy.write_row((position + 1, gloss.id, 0, HalfVector(corpus.docs[position])))
        texts = sql.SQL(
            "copy vec.glosses_v1_text (chunk_id, content, start_at, end_at) from stdin (format binary)"
        )
        async with cursor.copy(texts) as copy:
            copy.set_types(["int8", "text", "int4", "int4"])
            for position, gloss in enumerate(corpus.glosses):
                await copy.write_row((position + 1, gloss.text, 0, len(gloss.text)))
        await transaction.execute("delete from vec.glosses_v1_pending")
        # the ids were given here; a refresh draws its own
        await transaction.execute(
            "select setval(pg_get_serial_sequence('vec.glosses_v1', 'chunk_id'), max(chunk_id)) from vec.glosses_v1"
        )
    async with building(database, lock="vacuum", memory_bytes=0) as connection:
        await connection.execute(
            "vacuum (analyze) vec.glosses_v1, vec.glosses_v1_text, vec.glosses_v1_pending, lake.glosses"
        )
    await create_or_update_profile(steward, ProfileRequest(id=PROFILE, bound_datasets=[DATASET]))
    return await activate(database, steward, PROFILE)
