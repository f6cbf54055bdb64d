"""A linear adapter over an embedding model: one matrix, learnt on the CPU from questions and texts that answer them.

What the model says of a text, questions and passages alike, is multiplied by the matrix and brought to length 1 again.
"""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import InvalidInputError
from app.models.protocol import Embedder, ModelInfo, Vectors

#: Fewer pairs than these teach nothing that could be told from chance.
MIN_PAIRS = 20
#: Of so many questions a fifth is two.
MIN_QUESTIONS = 10
STEPS, BATCH, RATE = 400, 128, 3e-3
#: Softmax temperature of InfoNCE (van den Oord et al. 2018), and the pull towards the model as it is.
TEMPERATURE, PULL = 0.05, 1e-3
CHECK_EVERY = 20


class Trained(msgspec.Struct, frozen=True):
    """The matrix, and the mean reciprocal rank of the right passage among those of the pairs it has never seen.

    `before` is that of the model as it is. `trained_on` pairs were learnt from or steered by, `held_out` were not.
    """

    matrix: Vectors
    trained_on: int
    held_out: int
    before: float
    after: float


class Adapter(msgspec.Struct, frozen=True):
    """A registered matrix: over which model, and the model that comes of it."""

    base: ModelInfo
    info: ModelInfo
    matrix: Vectors


class AdaptedEmbedder:
    """An embedder that multiplies what another says; it does not own that one."""

    def __init__(self, base: Embedder, info: ModelInfo, matrix: Vectors) -> None:
        self._base = base
        self._info = info
        self._matrix = matrix

    async def describe(self) -> ModelInfo:
        """The adapted model."""
        return self._info

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """As `Embedder.embed`."""
        return adapt(await self._base.embed(texts), self._matrix)

    async def close(self) -> None:
        """The base is closed by whom it belongs to."""


def adapt(vectors: Vectors, matrix: Vectors) -> Vectors:
    """The vectors times the matrix, of length 1; one that would become nothing stays as it is."""
    turned = vectors @ matrix
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    adapted: Vectors = np.where(lengths > 1e-12, turned / np.maximum(lengths, 1e-12), vectors).astype(
        np.float32
    )
    return adapted


def hash_matrix(matrix: Vectors) -> str:
    """The adapter's version."""
    return hashlib.sha256(np.ascontiguousarray(matrix, dtype="<f4").tobytes()).hexdigest()[:12]


def train_adapter(questions: Vectors, passages: Vectors, answers: npt.NDArray[np.int64]) -> Trained:
    """Learn from pairs: the passage of question n is number `answers[n]`; all vectors have length 1.

    InfoNCE over both directions, from the identity, by Adam (Kingma and Ba 2015); of the questions a fifth is held
    out with all its pairs, another fifth decides when to stop. The same pairs give the same matrix.

    Raises:
        InvalidInputError: fewer than MIN_PAIRS pairs, or MIN_QUESTIONS questions.
    """
    count = len(questions)
    if count < MIN_PAIRS:
        raise InvalidInputError(
            f"{count} pairs of a question and its text are too few; {MIN_PAIRS} are needed"
        )
    chance = np.random.default_rng(0)
    held, steer, learn = _split(questions, chance)
    matrix = np.eye(questions.shape[1], dtype=np.float32)
    best, best_rank = matrix, measure_rank(questions[steer], passages, answers[steer], matrix)
    mean, square = np.zeros_like(matrix), np.zeros_like(matrix)
    for step in range(1, STEPS + 1):
        batch = chance.choice(learn, min(BATCH, len(learn)), replace=False)
        slope = _slope(questions[batch], passages[answers[batch]], answers[batch], matrix)
        slope += PULL * (matrix - np.eye(len(matrix), dtype=np.float32))
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        matrix = matrix - RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        if step % CHECK_EVERY == 0:
            rank = measure_rank(questions[steer], passages, answers[steer], matrix)
            if rank > best_rank:
                best, best_rank = matrix, rank
    identity = np.eye(len(matrix), dtype=np.float32)
    return Trained(
        matrix=best.astype(np.float32),
        trained_on=count - len(held),
        held_out=len(held),
        before=round(measure_rank(questions[held], passages, answers[held], identity), 4),
        after=round(measure_rank(questions[held], passages, answers[held], best), 4),
    )


def _split(questions: Vectors, chance: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """The pairs that are held out, that steer and that teach; those of one question are together.

    Apart, a pair would be tested by what its question's other pairs taught, and any adapter would look good.
    """
    _, question = np.unique(questions, axis=0, return_inverse=True)
    question = question.reshape(-1)
    count = int(question.max()) + 1
    if count < MIN_QUESTIONS:
        raise InvalidInputError(
            f"pairs of {count} questions are too few; {MIN_QUESTIONS} questions are needed"
        )
    parts = np.split(chance.permutation(count), [count // 5, 2 * (count // 5)])
    return [np.flatnonzero(np.isin(question, part)) for part in parts]


def measure_rank(
    questions: Vectors, passages: Vectors, answers: npt.NDArray[np.int64], matrix: Vectors
) -> float:
    """Mean reciprocal rank of each question's passage among all."""
    scores = adapt(questions, matrix) @ adapt(passages, matrix).T
    right = scores[np.arange(len(answers)), answers][:, None]
    return float((1 / (1 + (scores > right).sum(axis=1))).mean())


def _slope(questions: Vectors, passages: Vectors, answers: npt.NDArray[np.int64], matrix: Vectors) -> Vectors:
    """The gradient of the loss by the matrix."""
    turned_q, turned_p = questions @ matrix, passages @ matrix
    length_q = np.linalg.norm(turned_q, axis=1, keepdims=True)
    length_p = np.linalg.norm(turned_p, axis=1, keepdims=True)
    unit_q, unit_p = turned_q / length_q, turned_p / length_p
    scores = unit_q @ unit_p.T / TEMPERATURE
    # a passage that answers two questions of the batch is wrong for neither, nor are two that answer one question
    same = (answers[:, None] == answers[None, :]) | (questions @ questions.T > 1 - 1e-6)
    same &= ~np.eye(len(answers), dtype=bool)
    scores[same] = -np.inf
    wrong = (_softmax(scores) + _softmax(scores.T).T) / 2 - np.eye(len(answers), dtype=np.float32)
    wrong /= TEMPERATURE * len(answers)
    slope_q, slope_p = wrong @ unit_p, wrong.T @ unit_q
    # through the division by the length
    slope_q = (slope_q - unit_q * (slope_q * unit_q).sum(axis=1, keepdims=True)) / length_q
    slope_p = (slope_p - unit_p * (slope_p * unit_p).sum(axis=1, keepdims=True)) / length_p
    slope: Vectors = (questions.T @ slope_q + passages.T @ slope_p).astype(np.float32)
    return slope


def _softmax(scores: Vectors) -> Vectors:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Vectors = powers / powers.sum(axis=1, keepdims=True)
    return shares
