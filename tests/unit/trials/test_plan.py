"""What is refused before anything is measured, how sure a recall is, and what is best."""

import random
from datetime import UTC, datetime

import pytest

from app.errors import DimensionMismatchError, DiskFullError, InvalidInputError
from app.trials.models import Arm, AutotuneRequest, Build, EvalQuery, MeasuredArm, Measurement, TrialRequest
from app.trials.plan import (
    Estimate,
    Room,
    check_room,
    latest_of_each,
    pick_best,
    plan_arms,
    plan_estimate,
    plan_interval,
    plan_part,
    plan_queries,
    plan_target,
)

MIB = 1024 * 1024


def row(
    n: int, recall: float, p50_us: float, m: int = 16, ef_search: int = 30, bytes_: int = 1
) -> Measurement:
    """A measurement of which only these matter."""
    return Measurement(
        id=n,
        job_id="j",
        kind="trial",
        eval="e",
        eval_version="1",
        arm=MeasuredArm(m=m, ef_construction=80, type="halfvec", ef_search=ef_search),
        k=10,
        queries=100,
        vectors=1000,
        model_name="fake",
        model_version="1",
        recall=recall,
        recall_low=recall - 0.01,
        recall_high=min(recall + 0.01, 1.0),
        p50_us=p50_us,
        p95_us=p50_us * 2,
        p99_us=p50_us * 3,
        build_s=1.0,
        bytes=bytes_,
        measured_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (EvalQuery(), "send either"),
        (EvalQuery(text="a", vector=[1.0, 0.0, 0.0]), "send either"),
        (EvalQuery(text="  "), "empty"),
        (EvalQuery(text="a\0b"), "none"),
        (EvalQuery(text="\ud800"), "none"),
        (EvalQuery(text="a", relevant=["\0"]), "none"),
        (EvalQuery(text="a" * 10_001), "longer"),
        (EvalQuery(vector=[0.0, 0.0, 0.0]), "zero"),
        (EvalQuery(vector=[float("nan"), 0.0, 0.0]), "number"),
        (EvalQuery(vector=[1e9, 0.0, 0.0]), "number"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(query: EvalQuery, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        plan_queries([EvalQuery(text="fine"), query], 3, "ix")
    assert "queries[1]" in raised.value.message


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(DimensionMismatchError, match="3 dimensions"):
        plan_queries([EvalQuery(vector=[1.0])], 3, "ix")


def test_a_part_is_of_the_text_and_always_the_same() -> None:
    text = " ".join(f"w{n}" for n in range(60))
    parts = {plan_part(text, seed) for seed in range(50)}
    assert all(part in text and len(part.split()) == 20 for part in parts)
    assert len(parts) > 10 and plan_part(text, 7) == plan_part(text, 7)
    assert plan_part("one", 3) == "one" and plan_part("   ", 3) == "   "


def request(*arms: Arm, k: int = 10) -> TrialRequest:
    return TrialRequest(index="ix", eval="e", arms=list(arms), k=k)


def test_an_arm_that_is_there_twice_is_built_once() -> None:
    arms = plan_arms(
        request(
            Arm(m=16, ef_construction=80, ef_search=[30, 10, 30]),
            Arm(m=16, ef_construction=80, ef_search=[100]),
            Arm(m=16, ef_construction=80, ef_search=[30], type="vector"),
        )
    )
    assert arms == {
        Build(m=16, ef_construction=80, type="halfvec"): [10, 30, 100],
        Build(m=16, ef_construction=80, type="vector"): [30],
    }


def test_an_arm_that_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"at least 2 \* m"):
        plan_arms(request(Arm(m=50, ef_construction=80, ef_search=[30])))
    with pytest.raises(InvalidInputError, match="below k"):
        plan_arms(request(Arm(m=16, ef_construction=80, ef_search=[30, 9])))
    many = [Arm(m=m, ef_construction=200, ef_search=list(range(10, 60))) for m in range(2, 22)]
    with pytest.raises(InvalidInputError, match="1000 measurements"):
        plan_arms(request(*many))


@pytest.mark.parametrize("target", [-1.0, 0.0, 0.4, 0.9999, 1.0, 2.0, float("nan"), float("inf")])
def test_a_recall_that_cannot_be_reached_is_refused(target: float) -> None:
    with pytest.raises(InvalidInputError, match="between"):
        plan_target(AutotuneRequest(index="ix", target_recall=target), 1000)


def test_too_few_queries_cannot_show_a_recall_and_the_number_named_can() -> None:
    asked = AutotuneRequest(index="ix", target_recall=0.99)
    with pytest.raises(InvalidInputError, match="it takes about") as raised:
        plan_target(asked, 20)
    needed = int(raised.value.message.split("about ")[1].split(";")[0])
    plan_target(asked, needed)
    assert needed < 60


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Hits of a query are missed together, as in a graph: an interval that takes them for independent fails."""
    chosen, inside, runs = random.Random(3), 0, 600
    for _ in range(runs):
        # a tenth of the queries finds 6 to 10 of 10, the others all: a mean of .98
        recalls = [
            chosen.choice([0.6, 0.7, 0.8, 0.9, 1.0]) if chosen.random() < 0.1 else 1.0 for _ in range(200)
        ]
        found = plan_interval(recalls, 10)
        inside += found.low <= 0.98 <= found.high
    assert 0.92 <= inside / runs <= 0.99


def test_a_perfect_recall_has_an_interval() -> None:
    few, many = plan_interval([1.0] * 20, 10), plan_interval([1.0] * 1000, 10)
    assert few.mean == few.high == 1.0 and few.low < many.low < 1.0
    assert plan_interval([0.0], 1).low == 0.0


def test_an_estimate_is_near_what_was_measured() -> None:
    """107,525 halfvecs of 384 components, m 16: a graph of 150 MB in memory and of 126 MB on disk were measured."""
    halfvec = plan_estimate(107_525, 384, [Build(m=16, ef_construction=80, type="halfvec")])
    assert 140 * MIB < halfvec.memory_bytes < 220 * MIB
    vector = plan_estimate(107_525, 384, [Build(m=16, ef_construction=80, type="vector")])
    assert vector.memory_bytes > halfvec.memory_bytes and vector.disk_bytes > halfvec.disk_bytes


def test_what_does_not_fit_is_refused_with_numbers() -> None:
    estimate = Estimate(memory_bytes=300 * MIB, disk_bytes=500 * MIB)
    check_room(estimate, Room(memory_bytes=300 * MIB, disk_bytes=500 * MIB))
    check_room(estimate, Room(memory_bytes=300 * MIB, disk_bytes=None))
    with pytest.raises(InvalidInputError, match=r"300 MB of memory, and a trial may take 200 MB"):
        check_room(estimate, Room(memory_bytes=200 * MIB, disk_bytes=None))
    with pytest.raises(DiskFullError, match=r"500 MB, and the disk can give 499 MB"):
        check_room(estimate, Room(memory_bytes=300 * MIB, disk_bytes=499 * MIB))


def test_the_best() -> None:
    rows = [row(1, 0.90, 100), row(2, 0.95, 90), row(3, 0.99, 200), row(4, 0.99, 150), row(5, 0.80, 50)]
    assert [r.id for r in pick_best(rows, "recall", 0)] == [4]
    assert [r.id for r in pick_best(rows, "latency", 0.9)] == [2]
    assert [r.id for r in pick_best(rows, "latency", 0)] == [5]
    assert pick_best(rows, "latency", 0.999) == []
    assert [r.id for r in pick_best(rows, "pareto", 0)] == [5, 2, 4]
    assert pick_best([], "pareto", 0) == []


def test_of_an_arm_the_last_counts() -> None:
    rows = [row(2, 0.8, 1), row(1, 0.9, 1), row(3, 0.7, 1, ef_search=40)]
    assert sorted(r.id for r in latest_of_each(rows)) == [2, 3]
