"""The graph against BERT written out in numpy, with random weights of the real shapes but for the vocabulary."""

import math

import numpy as np
import onnxruntime
import pytest

from app.models.minilm_graph import (
    EPSILON,
    HEADS,
    HIDDEN,
    LAYERS,
    MAX_ACTIVATION,
    MAX_TOKENS,
    MAX_WEIGHT,
    ZERO,
    create_graph,
)

WORDS, WIDE = 40, 1536
erf = np.vectorize(math.erf, otypes=[float])


@pytest.fixture(scope="module")
def tensors():
    random = np.random.default_rng(7)
    shapes = {
        "embeddings.word_embeddings.weight": (WORDS, HIDDEN),
        "embeddings.position_embeddings.weight": (512, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        part = f"encoder.layer.{layer}."
        dense = {f"attention.self.{name}": (HIDDEN, HIDDEN) for name in ("query", "key", "value")}
        dense |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (WIDE, HIDDEN)}
        dense |= {"output.dense": (HIDDEN, WIDE)}
        for name, shape in dense.items():
            shapes |= {f"{part}{name}.weight": shape, f"{part}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{part}{name}.weight": (HIDDEN,), f"{part}{name}.bias": (HIDDEN,)}
    return {
        name: random.normal(float(name.endswith("LayerNorm.weight")), 0.05, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def session(tensors):
    return open_session(tensors, "fp32")


@pytest.fixture(scope="module")
def integers(tensors):
    return open_session(tensors, "int8")


def open_session(tensors, precision):
    graph = create_graph(lambda name: tensors[name].copy(), precision)
    options = onnxruntime.SessionOptions()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    session = onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
    # The loader drops the weights once there is a session: it must have copied them.
    for weight in graph.weights.values():
        weight[...] = 99
    return session


def run(session, texts: list[list[int]]) -> np.ndarray:
    ids = np.zeros((len(texts), max(map(len, texts))), np.int32)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)], mask[row, : len(text)] = text, 1
    return session.run(["vectors"], {"ids": ids, "mask": mask})[0]


def bert(weights, text: list[int]) -> np.ndarray:
    """One text without padding, in double precision."""

    def dense(value, name):
        return value @ weights[name + ".weight"].T.astype(float) + weights[name + ".bias"]

    def norm(value, name):
        centred = value - value.mean(-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return centred / deviation * weights[name + ".weight"] + weights[name + ".bias"]

    def heads(value):
        return value.reshape(len(text), HEADS, -1).swapaxes(0, 1)

    x = weights["embeddings.word_embeddings.weight"][text].astype(float)
    x = x + weights["embeddings.position_embeddings.weight"][: len(text)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        part = f"encoder.layer.{layer}."
        q, k, v = (heads(dense(x, f"{part}attention.self.{name}")) for name in ("query", "key", "value"))
        scores = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(HIDDEN / HEADS))
        attended = (scores / scores.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(text), HIDDEN)
        x = norm(x + dense(attended, part + "attention.output.dense"), part + "attention.output.LayerNorm")
        wide = dense(x, part + "intermediate.dense")
        gelu = wide * (1 + erf(wide / math.sqrt(2))) / 2
        x = norm(x + dense(gelu, part + "output.dense"), part + "output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def test_the_graph_is_bert(session, tensors):
    texts = [[1, 2, 3, 4, 5, 6, 7], [9, 8], [30]]
    expected = np.stack([bert(tensors, text) for text in texts])
    assert (expected @ expected.T)[np.triu_indices(3, 1)].max() < 0.9
    np.testing.assert_allclose(run(session, texts), expected, atol=2e-6)


def test_padding_changes_nothing(session):
    alone = run(session, [[5, 6, 7]])[0]
    padded = run(session, [[5, 6, 7], [1] * 60])[0]
    np.testing.assert_allclose(padded, alone, atol=2e-6)


def test_the_longest_text_fits(session):
    vectors = run(session, [[1 + n % (WORDS - 1) for n in range(MAX_TOKENS)]])
    assert vectors.shape == (1, HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_integers_are_near_bert(integers, tensors):
    texts = [[1, 2, 3, 4, 5, 6, 7], [9, 8], [30]]
    expected = np.stack([bert(tensors, text) for text in texts])
    cosines = (run(integers, texts) * expected).sum(axis=1)
    assert cosines.min() > 0.995


def test_a_text_has_the_same_integers_whatever_is_beside_it(integers, session):
    """Scales of a whole batch would move them by a thousandth."""
    alone = run(integers, [[5, 6, 7]])[0]
    others = run(integers, [[5, 6, 7], [1] * 60, [2, 30, 31, 32] * 9])[0]
    np.testing.assert_allclose(others, alone, atol=2e-6)
    assert abs(alone - run(session, [[5, 6, 7]])[0]).max() > 1e-4


def test_a_weight_and_an_activation_fill_sixteen_bits_and_no_more():
    assert 2 * MAX_WEIGHT * (ZERO + MAX_ACTIVATION) < 2**15 <= 2 * (MAX_WEIGHT + 2) * (ZERO + MAX_ACTIVATION)
