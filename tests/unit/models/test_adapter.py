import asyncio

import numpy as np
import pytest

from app.errors import InvalidInputError
from app.models.adapter import AdaptedEmbedder, _split, adapt, hash_matrix, measure_rank, train_adapter
from app.models.adapter import _slope as slope
from app.models.fake import FakeEmbedder
from app.models.protocol import ModelInfo


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pairs(count=200, dimensions=32, seed=1):
    """Questions that share with their passage the first half of the components; the second half is noise."""
    chance = np.random.default_rng(seed)
    passages = chance.normal(size=(count, dimensions))
    questions = passages.copy()
    questions[:, dimensions // 4 :] = chance.normal(size=(count, dimensions - dimensions // 4)) * 1.5
    return unit(questions), unit(passages), np.arange(count)


def test_what_matters_is_learnt_and_the_held_out_pairs_show_it():
    trained = train_adapter(*pairs())
    assert (trained.trained_on, trained.held_out) == (160, 40)
    assert trained.after > trained.before + 0.1
    again = train_adapter(*pairs())
    assert hash_matrix(again.matrix) == hash_matrix(trained.matrix)


def test_pairs_by_chance_teach_little():
    questions, passages, answers = pairs()
    trained = train_adapter(questions, passages, np.random.default_rng(3).permutation(answers))
    assert trained.after < 0.2


def test_too_few_pairs_are_refused():
    with pytest.raises(InvalidInputError, match="20 are needed"):
        train_adapter(*pairs(count=19))


def test_the_pairs_of_a_question_are_held_out_together():
    """Each question has ten passages by chance: nothing can be learnt of one that is true of another."""
    chance = np.random.default_rng(2)
    questions = np.repeat(unit(chance.normal(size=(40, 16))), 10, axis=0)
    held, steer, learn = _split(questions, chance)
    assert (len(held), len(steer), len(learn)) == (80, 80, 240)
    seen = [{questions[n].tobytes() for n in part} for part in (held, steer, learn)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_many_pairs_of_few_questions_are_refused():
    questions, passages, answers = pairs(count=9)
    with pytest.raises(InvalidInputError, match="9 questions are too few; 10"):
        train_adapter(np.repeat(questions, 5, axis=0), passages, np.repeat(answers, 5))


def test_the_slope_is_that_of_the_loss():
    questions, passages, answers = (part[:8].astype(np.float64) for part in pairs(8, 8))
    matrix = np.eye(8) + 0.1 * np.random.default_rng(5).normal(size=(8, 8))

    def loss(at):
        scores = unit64(questions @ at) @ unit64(passages @ at).T / 0.05
        rows = -np.log(np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).diagonal().mean()
        columns = -np.log(np.exp(scores) / np.exp(scores).sum(axis=0, keepdims=True)).diagonal().mean()
        return (rows + columns) / 2

    found = slope(questions, passages, answers.astype(int), matrix)
    for row, column in ((0, 0), (2, 5), (7, 1)):
        step = np.zeros((8, 8))
        step[row, column] = 1e-6
        numeric = (loss(matrix + step) - loss(matrix - step)) / 2e-6
        assert found[row, column] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def unit64(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_adapted_embedder_multiplies_and_keeps_the_length():
    info = ModelInfo("fake", "fake+x", "1+y", 384)
    turned = AdaptedEmbedder(FakeEmbedder(), info, np.eye(384, dtype=np.float32)[::-1] * 2)
    vectors = asyncio.run(turned.embed(["a b", "c"]))
    np.testing.assert_allclose(vectors[:, ::-1], asyncio.run(FakeEmbedder().embed(["a b", "c"])), atol=1e-6)
    assert asyncio.run(turned.describe()) == info
    assert adapt(np.zeros((0, 3), np.float32), np.eye(3, dtype=np.float32)).shape == (0, 3)


def test_rank_by_hand():
    eye = np.eye(3, dtype=np.float32)
    assert measure_rank(eye, eye, np.array([0, 1, 2]), eye) == 1
    assert measure_rank(eye[:1], eye, np.array([1]), eye) == 0.5
