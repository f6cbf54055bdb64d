import asyncio

import numpy as np

from app.models.fake import FakeEmbedder


def test_texts_that_share_words_are_nearer_and_the_same_text_is_the_same():
    fake = FakeEmbedder(dimensions=64)
    a, near, far, again = asyncio.run(fake.embed(["red fox", "a red fox", "blue whale", "red fox"]))
    assert a @ near > 0.5 > a @ far
    assert np.array_equal(a, again)
    assert fake.embedded == ["red fox", "a red fox", "blue whale", "red fox"]
    assert fake.calls == 1


def test_every_text_has_a_vector_of_length_one():
    vectors = asyncio.run(FakeEmbedder().embed(["", "  ", "!?", "x", "\ud800"]))
    assert vectors.shape == (5, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert asyncio.run(FakeEmbedder(dimensions=7).embed([])).shape == (0, 7)


def test_it_says_what_it_was_made_with():
    info = asyncio.run(FakeEmbedder(dimensions=5, name="n", version="2").describe())
    assert (info.provider, info.name, info.version, info.dimensions) == ("fake", "n", "2", 5)
