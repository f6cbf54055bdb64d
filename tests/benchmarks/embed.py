"""Embedding on this machine, against a plain onnxruntime session over the same graph and texts."""

import asyncio
import time
from typing import Any

import numpy as np

from app.models.minilm import MiniLMEmbedder
from tests.benchmarks.corpus import Corpus
from tests.benchmarks.figures import Figure
from tests.benchmarks.home import QUICK

TEXTS = 500 if QUICK else 2_000
BATCH = 32


def plain(embedder: MiniLMEmbedder, texts: list[str]) -> Any:
    """Batches of 32 as they come, each padded to its longest text."""
    model = embedder._load()
    for start in range(0, len(texts), BATCH):
        encoded = [encoding.ids for encoding in model.tokenizer.encode_batch(texts[start : start + BATCH])]
        width = max(map(len, encoded))
        ids = np.zeros((len(encoded), width), np.int64)
        mask = np.zeros((len(encoded), width), np.int64)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {node.name: (mask if "mask" in node.name else ids) for node in model.session.get_inputs()}
        kinds = {node.name: node.type for node in model.session.get_inputs()}
        feed = {
            name: value.astype(np.int32) if "int32" in kinds[name] else value
            for name, value in inputs.items()
        }
        model.session.run(None, feed)
    return len(texts)


def measure(corpus: Corpus) -> list[Figure]:
    """Texts per second of both, in turns."""
    texts = [gloss.text for gloss in corpus.glosses[:: max(1, len(corpus.glosses) // TEXTS)]][:TEXTS]
    embedder = MiniLMEmbedder()

    async def run() -> list[tuple[float, float]]:
        await embedder.embed(texts[:64])
        rates = []
        for _ in range(1 if QUICK else 3):
            started = time.perf_counter()
            await embedder.embed(texts)
            middle = time.perf_counter()
            plain(embedder, texts)
            rates.append((len(texts) / (middle - started), len(texts) / (time.perf_counter() - middle)))
        await embedder.close()
        return rates

    ours, peer = sorted(asyncio.run(run()))[0 if QUICK else 1]
    return [
        Figure(
            name="embedding of short texts",
            ours=f"{ours:.0f}/s",
            peer=f"{peer:.0f}/s",
            value=ours,
            unit="/s",
            relation=">=",
            target=250,
            note=f"{len(texts):,} glosses; peer: the same session, batches of {BATCH} unsorted",
        )
    ]
