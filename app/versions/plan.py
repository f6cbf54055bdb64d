"""Pure decisions about versions: which model is meant, how good an answer is, what the gate says."""

import math
import statistics
from collections.abc import Collection, Sequence

from app.errors import InvalidInputError
from app.models.choice import choose_model
from app.models.protocol import ModelInfo
from app.versions.models import GraphRecall, Model, Quality, SwapRequest

K = 10
#: The index's own texts judge when they are of so many rows: among fewer, ten answers are most of what there is.
MIN_OWN_ROWS = 20
#: Fewer judged questions of an eval set tell no model from another; an adapter is not learnt from fewer either.
MIN_JUDGED = 10
#: 95% of a normal distribution lie within so many standard deviations.
Z = 1.96


def plan_model(request: SwapRequest, infos: Sequence[ModelInfo]) -> Model:
    """The one configured model that the request names; `infos` are those that answer.

    Raises:
        InvalidInputError: none is named.
        NotFoundError: no configured model is that one, or more than one is.
    """
    if request.model is None:
        raise InvalidInputError("say which model the index shall have: model, or adapter")
    info = choose_model(infos, request.model, request.provider, request.version)
    return Model(info.provider, info.name, info.version, info.dimensions)


def measure_ndcg(answer: Sequence[str], relevant: Collection[str], k: int = K) -> float:
    """nDCG@k with gains of 0 and 1 (Järvelin and Kekäläinen 2002); `relevant` is not empty."""
    wanted = set(relevant)
    gain = sum(1 / math.log2(place + 2) for place, key in enumerate(answer[:k]) if key in wanted)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(len(wanted), k)))
    return gain / ideal


def measure_share(answer: Sequence[str], wanted: Collection[str], k: int = K) -> float:
    """The share of what can be in k answers that is; `wanted` is not empty."""
    return len(set(answer[:k]) & set(wanted)) / min(len(set(wanted)), k)


def plan_quality(
    before: Sequence[Sequence[str]], after: Sequence[Sequence[str]], relevant: Sequence[Collection[str]]
) -> Quality:
    """The two versions' answers to the same questions compared."""
    judged = [n for n, keys in enumerate(relevant) if keys]
    agreements = [measure_share(b, a) for a, b in zip(before, after, strict=True) if a]

    def mean(shares: list[float]) -> float | None:
        return round(statistics.fmean(shares), 4) if shares else None

    ndcg, recall = (
        [[measure(answers[n], relevant[n]) for n in judged] for answers in (before, after)]
        for measure in (measure_ndcg, measure_share)
    )
    return Quality(
        questions=len(before),
        judged=len(judged),
        agreement=mean(agreements),
        ndcg_before=mean(ndcg[0]),
        ndcg_after=mean(ndcg[1]),
        recall_before=mean(recall[0]),
        recall_after=mean(recall[1]),
        ndcg_margin=_measure_margin(*ndcg),
        recall_margin=_measure_margin(*recall),
    )


def _measure_margin(before: Sequence[float], after: Sequence[float]) -> float | None:
    if len(before) < 2:
        return None
    differences = [b - a for b, a in zip(before, after, strict=True)]
    return round(Z * statistics.stdev(differences) / math.sqrt(len(differences)), 4)


def plan_verdict(
    graphs: Sequence[GraphRecall],
    quality: Quality | None,
    lost: int,
    min_recall: float,
    max_loss: float,
    *,
    own: bool = False,
) -> list[str]:
    """What the gate holds against a version, in words; nothing: it may become live.

    Questions that are the index's `own` texts are a sample, so a loss counts as far as it is not chance. An eval set
    is what somebody wants answered, and counts as it is.
    """
    missed = [
        f"HNSW m={g.m}, ef_construction={g.ef_construction}, ef_search={g.ef_search} finds {g.recall:.4f} of the exact "
        f"answer, below min_recall {min_recall:g}"
        for g in graphs
        if g.recall is not None and g.recall < min_recall
    ]
    if quality is not None:
        asked = "searches for parts of the index's own texts" if own else "judged questions"
        for name, before, after, margin in (
            ("nDCG@10", quality.ndcg_before, quality.ndcg_after, quality.ndcg_margin),
            ("recall@10", quality.recall_before, quality.recall_after, quality.recall_margin),
        ):
            chance = (margin or 0) if own else 0
            if before is not None and after is not None and before - after - chance > max_loss + 1e-9:
                missed.append(
                    f"{name} of {quality.judged} {asked} falls from {before:.4f} to {after:.4f}, by more than "
                    f"max_loss {max_loss:g}"
                )
    if lost:
        missed.append(f"{lost} rows that can be found now could not be embedded by the new model")
    return missed


def plan_unjudged(quality: Quality | None, rows_needed: int = MIN_OWN_ROWS) -> str | None:
    """Why the index's own texts say nothing about a version, in words; None: they do."""
    if quality is None:
        return "not judged: the model that the index had until now is not configured any more, so nothing was compared"
    if quality.judged:
        return None
    return (
        f"not judged: the index has texts of fewer than {rows_needed} rows, too few to tell one model from another; "
        "look at its answers, and a rollback brings the model before back"
    )


def plan_unfit(name: str, questions: int, judged: int, *, found: bool = True) -> str | None:
    """Why an eval set judges nothing, and what to do about it, in words; None: it does.

    `judged` of its questions have a relevant row in the index; `found`: the live version finds such a row for any.
    """
    instead = "or name no eval set: then parts of the index's own texts are asked for"
    if judged < MIN_JUDGED:
        few = f"only {judged}" if judged else "none"
        have = "has a relevant row that is" if judged < 2 else "have relevant rows that are"
        return (
            f"not judged: {few} of the {questions} questions of eval set {name!r} {have} in the index; fewer than "
            f"{MIN_JUDGED} tell no model from another. Give relevant row keys, {instead}"
        )
    if not found:
        return (
            f"not judged: the version that is live finds no relevant row for any question of eval set {name!r}, and no "
            f"other could do worse. Look at its relevant row keys, {instead}"
        )
    return None
