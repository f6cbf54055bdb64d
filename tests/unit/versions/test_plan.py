import pytest

from app.errors import InvalidInputError, NotFoundError
from app.models.protocol import ModelInfo
from app.versions.models import GraphRecall, SwapRequest
from app.versions.plan import (
    measure_ndcg,
    measure_share,
    plan_model,
    plan_quality,
    plan_unfit,
    plan_unjudged,
    plan_verdict,
)

A = ModelInfo("fake", "a", "1", 3)
B = ModelInfo("ollama", "b", "1", 3)


def test_the_model_is_the_one_that_is_named():
    assert plan_model(SwapRequest(model="b"), [A, B]).provider == "ollama"


@pytest.mark.parametrize("request_", [SwapRequest(model="c"), SwapRequest(model="b", version="2")])
def test_a_model_that_is_not_configured_is_refused_with_those_that_are(request_):
    with pytest.raises(NotFoundError, match=r"a \(1, fake\), b \(1, ollama\)"):
        plan_model(request_, [A, B])


def test_a_model_that_two_providers_have_is_refused():
    with pytest.raises(NotFoundError, match="more than one"):
        plan_model(SwapRequest(model="a"), [A, ModelInfo("ollama", "a", "2", 3)])


def test_no_model_is_refused():
    with pytest.raises(InvalidInputError):
        plan_model(SwapRequest(), [A])


def test_ndcg_by_hand():
    # relevant at places 1 and 3 of two: (1 + 1/2) / (1 + 1/log2(3))
    assert measure_ndcg(["x", "y", "z"], ["x", "z"]) == pytest.approx(1.5 / 1.6309, abs=1e-4)
    assert measure_ndcg([], ["x"]) == 0
    assert measure_share(["x", "y"], ["x", "q", "r"]) == pytest.approx(1 / 3)


def test_quality_judges_what_is_judged_and_compares_all():
    quality = plan_quality([["a", "b"], ["c"]], [["b", "a"], ["d"]], [["a"], []])
    assert (quality.questions, quality.judged, quality.agreement) == (2, 1, 0.5)
    assert quality.ndcg_before == 1 and quality.ndcg_after == pytest.approx(0.6309, abs=1e-4)
    assert quality.recall_before == quality.recall_after == 1


def test_the_verdict_names_what_is_not_enough():
    quality = plan_quality([["a", "b"]], [["b", "a"]], [["a"]])
    graphs = [GraphRecall(16, 80, 30, 0.8), GraphRecall(8, 32, 30, None)]
    assert plan_verdict([], quality, 0, 0.9, 0.5) == []
    missed = plan_verdict(graphs, quality, 2, 0.9, 0.1)
    assert len(missed) == 3 and "0.8000" in missed[0] and "nDCG@10" in missed[1] and "2 rows" in missed[2]


def test_a_loss_of_the_indexs_own_texts_counts_as_far_as_it_is_not_chance():
    # 2 of 40 rows are not found any more: 0.05 less, give or take 0.07
    before = [[str(n)] for n in range(40)]
    quality = plan_quality(before, [["x"]] * 2 + before[2:], before)
    assert (quality.recall_before, quality.recall_after, quality.recall_margin) == (1, 0.95, 0.0684)
    assert len(plan_verdict([], quality, 0, 0.9, 0.01)) == 2
    assert plan_verdict([], quality, 0, 0.9, 0.01, own=True) == []
    nonsense = plan_quality(before, [["x"]] * 36 + before[36:], before)
    [ndcg, recall] = plan_verdict([], nonsense, 0, 0.9, 0.01, own=True)
    assert ndcg.startswith(
        "nDCG@10 of 40 searches for parts of the index's own texts falls from 1.0000 to 0.1000"
    )
    assert recall.startswith("recall@10 of 40")


def test_what_judges_nothing_is_not_judged():
    assert "not judged" in plan_unjudged(None)
    assert "fewer than 20 rows" in plan_unjudged(plan_quality([["a"]], [["a"]], [[]]))
    assert plan_unjudged(plan_quality([["a"]], [["a"]], [["a"]])) is None


def test_an_eval_set_of_too_little_judges_nothing():
    assert "none of the 3 questions of eval set 'e' has a relevant row" in plan_unfit("e", 3, 0)
    assert "only 1 of the 3 questions of eval set 'e' has a relevant row" in plan_unfit("e", 3, 1)
    few = plan_unfit("e", 30, 9)
    assert few.startswith("not judged: only 9 of the 30 questions") and "fewer than 10" in few
    assert plan_unfit("e", 30, 10) is None
    assert "finds no relevant row for any question" in plan_unfit("e", 30, 30, found=False)
