"""A model that is slow, away, or refuses a text: what it embeds is kept, what it refuses is found."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from app.errors import ConflictError, ProviderError
from app.jobs.outcome import plan_outcome
from app.models.fake import FakeEmbedder
from app.models.protocol import normalise_vectors
from app.vectors.refresh_embedding import (
    MAX_REFUSED,
    MAX_TEXTS,
    PROBE,
    TARGET_S,
    Embedded,
    Pace,
    PatientEmbedder,
)

DIMENSIONS = 8
GOOD = FakeEmbedder(DIMENSIONS)


class Scripted(FakeEmbedder):
    """Answers as `act` says, which gets the texts and what a good model would answer."""

    def __init__(self, act: Callable[[list[str], Any], Any]) -> None:
        super().__init__(DIMENSIONS)
        self.act = act

    async def embed(self, texts: Sequence[str]) -> Any:
        answer = self.act(list(texts), await super().embed(texts))
        return await answer if asyncio.iscoroutine(answer) else answer


def poisoned(spoil: Callable[[Any], Any]) -> Scripted:
    """Any call with a text that begins with "poison" goes wrong as a whole."""
    return Scripted(lambda texts, good: spoil(good) if any(t.startswith("poison") for t in texts) else good)


def fail(_: Any = None) -> Any:
    raise ProviderError("status 500")


def nan(good: Any) -> Any:
    good[0, 0] = np.nan
    return good


def embed(model: Scripted, texts: list[str], **options: Any) -> tuple[Embedded, PatientEmbedder]:
    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    patient = PatientEmbedder(model, DIMENSIONS, **{"patience_s": 2.0, "sleep": rest, **options})
    return asyncio.run(patient.embed(texts)), patient


def good(texts: list[str]) -> Any:
    return asyncio.run(GOOD.embed(texts))


SPOILED = {
    "status 500": fail,
    "NaN": nan,
    "infinite": lambda good: np.full_like(good, np.inf),
    "zeros": lambda good: good * 0,
    "an empty list": lambda good: [],
    "another length": lambda good: good[:, :3],
    "one too few": lambda good: good[1:],
    "no numbers": lambda good: [["a"] * DIMENSIONS] * len(good),
    "ragged": lambda good: [[1.0] * n for n in range(1, len(good) + 1)],
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
@pytest.mark.parametrize("positions", [[0], [99], [17, 18, 60]], ids=str)
def test_a_text_that_the_model_refuses_is_found_and_the_others_are_embedded(
    spoil: Callable[[Any], Any], positions: list[int]
) -> None:
    texts = [f"{'poison' if n in positions else 'word'} {n}" for n in range(100)]
    model = poisoned(spoil)
    answer, _ = embed(model, texts)
    assert sorted(answer.refused) == positions and all(answer.refused.values())
    fine = [n for n in range(100) if n not in positions]
    assert np.array_equal(answer.vectors[fine], good([texts[n] for n in fine]))
    # halved, not tried one by one
    assert model.calls < 60


def test_a_model_that_comes_back_is_waited_for_and_nothing_is_refused() -> None:
    away = iter([True] * 7)
    model = Scripted(lambda texts, good: fail() if next(away, False) else good)
    answer, _ = embed(model, [f"word {n}" for n in range(200)], patience_s=60.0)
    assert answer.refused == {} and np.array_equal(answer.vectors, good([f"word {n}" for n in range(200)]))


def test_a_model_that_stays_away_is_an_error_after_a_while_with_its_own_words() -> None:
    waited: list[float] = []

    async def rest(seconds: float) -> None:
        waited.append(seconds)

    with pytest.raises(ProviderError, match="status 500"):
        embed(Scripted(lambda texts, good: fail()), ["a", "b"], patience_s=5.0, sleep=rest)
    assert waited[:3] == [0.5, 1.0, 2.0]


def test_a_model_that_never_answers_is_an_error() -> None:
    async def never() -> None:
        await asyncio.sleep(3600)

    with pytest.raises(ProviderError, match=r"no vectors within 0\.01 s"):
        embed(Scripted(lambda texts, good: never()), ["a"], call_s=0.01, patience_s=0.0)


OTHER_SHAPES = {
    "another length": lambda good: good[:, :3],
    "one too few": lambda good: good[1:],
    "what the provider refuses itself": lambda good: normalise_vectors(
        good[:, :3], len(good), DIMENSIONS, "ollama at http://h", "models.embedders.model (m)"
    ),
}


@pytest.mark.parametrize("spoil", OTHER_SHAPES.values(), ids=OTHER_SHAPES)
def test_a_model_of_other_dimensions_is_not_waited_for_and_refuses_no_text(
    spoil: Callable[[Any], Any],
) -> None:
    heard: list[object] = []

    async def hear(what: object) -> None:
        heard.append(what)

    model = Scripted(lambda texts, good: spoil(good))
    with pytest.raises(ConflictError, match=r"not the index's.*(\(1, 3\)|\(0, 8\))") as caught:
        embed(model, ["a", "b", "c"], sleep=hear, tell=hear)
    assert heard == [] and model.calls == 2, "the texts, and a word"
    # nor is the job tried again
    assert plan_outcome(caught.value, 1, 3).retry_s is None
    assert "models.embedders" in caught.value.message


def test_a_failure_that_passes_refuses_nothing() -> None:
    calls = iter([False, True])
    model = Scripted(lambda texts, good: fail() if PROBE not in texts and next(calls, False) else good)
    answer, _ = embed(model, [f"word {n}" for n in range(130)])
    assert answer.refused == {}


def test_a_model_that_embeds_nothing_but_the_probe_is_an_error() -> None:
    model = Scripted(lambda texts, good: good if texts == [PROBE] else fail())
    with pytest.raises(ProviderError, match=f"refused {MAX_REFUSED} texts in a row"):
        embed(model, [f"word {n}" for n in range(200)])


def test_calls_become_as_large_as_takes_the_time_and_smaller_when_it_is_too_slow() -> None:
    pace = Pace(size=64)
    pace.took(64, TARGET_S / 10)
    assert pace.size == 128
    pace.took(10, 0.001)
    assert pace.size == 128, "one that was not full says nothing"
    pace.took(128, TARGET_S * 4 / 3)
    assert pace.size == 96
    pace.failed(0.1)
    assert pace.size == 96, "refused at once: not too slow"
    pace.failed(TARGET_S * 10)
    assert pace.size == 48
    for _ in range(20):
        pace.took(pace.size, 0.0)
    assert pace.size == MAX_TEXTS
    for _ in range(20):
        pace.took(pace.size, 3600.0)
    assert pace.size == 1


def test_a_batch_that_takes_too_long_is_embedded_in_smaller_ones() -> None:
    async def slowly(texts: list[str], good: Any) -> Any:
        await asyncio.sleep(0.002 * len(texts))
        return good

    answer, _ = embed(Scripted(slowly), [f"word {n}" for n in range(150)], call_s=0.06)  # type: ignore[arg-type]
    assert answer.refused == {} and answer.vectors.any(axis=1).all()


def test_what_it_waits_for_is_told_once_and_that_it_goes_on() -> None:
    told: list[str | None] = []

    async def tell(message: str | None) -> None:
        told.append(message)

    answers = iter([fail, fail, fail, fail, *[None] * 20])

    def spoil(texts: list[str], good: Any) -> Any:
        answer = next(answers)
        return good if answer is None else answer()

    embedded, _ = embed(Scripted(spoil), ["a", "b"], tell=tell, patience_s=60.0)
    assert embedded.refused == {}
    assert told[0] == "waiting for the model: status 500" and told[1] is None
    assert told == told[:2] * (len(told) // 2)
