"""Adapters learnt from labelled pairs: embedded, learnt from and forgotten within the request.

A job would have to keep the texts until it runs, and its arguments after that: texts that no erasure looks for.
"""

import asyncio

import numpy as np

from app.db.database import Database
from app.db.scope import Scope
from app.errors import ConflictError, InvalidInputError
from app.models.adapter import MIN_PAIRS, hash_matrix, train_adapter
from app.models.embedders import Embedders
from app.models.protocol import Embedder, Vectors
from app.vectors.indexing import get_index_row
from app.versions.adapters import plan_new_name, refuse_adapted, register_adapter, scale
from app.versions.models import AdapterRequest, AdapterRow, Pair

#: Texts that the model gets at once.
EMBEDDED_AT_ONCE = 64


async def learn_from_pairs(
    database: Database, embedders: Embedders, scope: Scope, request: AdapterRequest
) -> AdapterRow:
    """Learn an adapter over the model of `request.index` from its pairs, and register it.

    Raises:
        InvalidNameError: the name cannot be used.
        NotFoundError: no such index.
        InvalidInputError: too few pairs or questions, blank ones, or the index has an adapter already.
        ConflictError: there is an adapter of that name, or its model is not configured any more.
        ProviderError: the model did not embed the texts.
    """
    if request.index is None or request.eval is not None:
        raise InvalidInputError(
            "pairs are learnt from over the model of an index: say `index`, and no `eval`"
        )
    name = await plan_new_name(scope, request.name)
    pairs = plan_pairs(request.pairs or [])
    index = await get_index_row(scope, request.index)
    refuse_adapted(index)
    model = (index.provider, index.model_name, index.model_version, index.dimensions)
    embedder = await embedders.find(*model)
    asked, asked_at = await _embed(embedder, [pair.query for pair in pairs])
    passages, answers = await _embed(embedder, [pair.text for pair in pairs])
    trained = await asyncio.to_thread(train_adapter, asked[asked_at], passages, answers)
    made = await register_adapter(database.owner(scope.actor), name, index, trained)
    if made.version != hash_matrix(trained.matrix):
        raise ConflictError(f"adapter {name!r} was made by somebody else meanwhile; choose another name")
    return made


def plan_pairs(pairs: list[Pair]) -> list[Pair]:
    """The pairs, each once.

    Raises:
        InvalidInputError: too few, or one says nothing.
    """
    for number, pair in enumerate(pairs, 1):
        if not pair.query.strip() or not pair.text.strip():
            raise InvalidInputError(f"pair {number} has an empty query or text; leave it out")
    distinct = list(dict.fromkeys(pairs))
    if len(distinct) < MIN_PAIRS:
        raise InvalidInputError(
            f"{len(distinct)} different pairs are too few; {MIN_PAIRS} are needed to learn"
        )
    return distinct


async def _embed(embedder: Embedder, texts: list[str]) -> tuple[Vectors, np.ndarray]:
    """Vectors of length 1 of the different texts, and the place of each text among them."""
    distinct = list(dict.fromkeys(texts))
    parts = [
        await embedder.embed(distinct[start : start + EMBEDDED_AT_ONCE])
        for start in range(0, len(distinct), EMBEDDED_AT_ONCE)
    ]
    places = {text: place for place, text in enumerate(distinct)}
    return scale(np.concatenate(parts)), np.array([places[text] for text in texts])
