"""Exact truth, block by block, is what one look at everything finds."""

import numpy as np

from app.trials.truth import merge_nearest


def test_blocks_add_up_to_the_whole() -> None:
    random = np.random.default_rng(3)
    docs = random.normal(size=(500, 16)).astype(np.float32)
    docs[7] = 0
    asked = random.normal(size=(20, 16)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    ids = np.arange(500, dtype=np.int64) * 3
    best = (np.zeros((20, 0), np.int64), np.zeros((20, 0), np.float32))
    for start in range(0, 500, 64):
        best = merge_nearest(asked, ids[start : start + 64], docs[start : start + 64], best, keep=30)
    whole = 1 - asked @ docs.T / np.maximum(np.linalg.norm(docs, axis=1), 1e-30)
    whole[:, 7] = 9
    assert np.allclose(best[1], np.sort(whole, axis=1)[:, :30], atol=1e-6)
    assert (best[0][:, 0] == ids[np.argmin(whole, axis=1)]).all() and 21 not in best[0]


def test_fewer_than_are_kept() -> None:
    asked = np.eye(3, dtype=np.float32)[:1]
    ids, distances = merge_nearest(
        asked,
        np.array([5, 6]),
        np.array([[0, 1, 0], [2, 0, 0]], np.float32),
        (np.zeros((1, 0), np.int64), np.zeros((1, 0), np.float32)),
    )
    assert ids.tolist() == [[6, 5]] and distances.tolist() == [[0.0, 1.0]]
