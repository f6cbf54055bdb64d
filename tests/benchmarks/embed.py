"""Embedding on this machine, against a plain onnxruntime session over the same graph and texts."""

import asyncio
import time
from typing import Any, NamedTuple

import numpy as np

from app.models.minilm import MiniLMEmbedder
from app.models.protocol import Vectors
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK

TEXTS = 500 if QUICK else 2_000
BATCH = 32
#: What the fastest kind of embedder may lose of a vector's direction.
COSINE = 0.99


class Round(NamedTuple):
    """Texts a second of one turn each."""

    fp32: float
    int8: float
    plain: float


def plain(embedder: MiniLMEmbedder, texts: list[str]) -> Any:
    """Batches of 32 as they come, each padded to its longest text."""
    model = embedder._load()
    for start in range(0, len(texts), BATCH):
        encoded = [encoding.ids for encoding in model.tokenizer.encode_batch(texts[start : start + BATCH])]
        width = max(map(len, encoded))
        ids = np.zeros((len(encoded), width), np.int32)
        mask = np.zeros((len(encoded), width), np.int32)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        model.session.run(None, {"ids": ids, "mask": mask})
    return len(texts)


def measure(corpus: Corpus) -> list[Figure]:
    """Texts a second of fp32, int8 and the plain session, in turns, and how far int8 is from fp32."""
    texts = [gloss.text for gloss in corpus.glosses[:: max(1, len(corpus.glosses) // TEXTS)]][:TEXTS]
    turns, cosines = asyncio.run(_measure(texts))
    note = f"{len(texts):,} glosses; peer: a plain fp32 session, batches of {BATCH} unsorted"
    figures = []
    for name, ours, value in (
        (
            "embedding, fp32",
            np.median([turn.fp32 for turn in turns]),
            [turn.fp32 / turn.plain for turn in turns],
        ),
        (
            "embedding, int8",
            np.median([turn.int8 for turn in turns]),
            [turn.int8 / turn.plain for turn in turns],
        ),
    ):
        figures.append(
            Figure(
                name=name,
                ours=f"{ours:.0f}/s",
                peer=f"{np.median([turn.plain for turn in turns]):.0f}/s",
                value=float(np.median(value)),
                unit="x",
                relation=">=",
                target=1.5,
                note=note,
            )
        )
    return [*figures, _cosine(cosines)]


async def _measure(texts: list[str]) -> tuple[list[Round], Vectors]:
    exact, fast = MiniLMEmbedder(), MiniLMEmbedder(precision="int8")
    await exact.embed(texts[:64])
    await fast.embed(texts[:64])
    turns = []
    for _ in range(1 if QUICK else 3):
        times = [time.perf_counter()]
        wanted = await exact.embed(texts)
        times.append(time.perf_counter())
        found = await fast.embed(texts)
        times.append(time.perf_counter())
        plain(exact, texts)
        times.append(time.perf_counter())
        turns.append(Round(*(len(texts) / float(seconds) for seconds in np.diff(times))))
    await exact.close()
    await fast.close()
    cosines: Vectors = (wanted * found).sum(axis=1)
    return turns, cosines


def _cosine(cosines: Vectors) -> Figure:
    return Figure(
        name="int8 beside fp32, mean cosine",
        ours=f"{cosines.mean():.4f}",
        peer="1",
        value=float(cosines.mean()),
        unit="",
        relation=">=",
        target=COSINE,
        note=f"the farthest of {len(cosines):,} texts has {cosines.min():.4f}",
    )
