"""trial: measured HNSW configs, the best of them, a picture, autotune, what is warm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.evals import eval_group
from app.cli.measured import show_best, show_cache, show_jobs
from app.cli.output import duration, note, say, show_json
from app.cli.profiles import create_words
from app.cli.session import Session, connected
from app.cli.watch import wait_for_job
from app.errors import InvalidInputError

Document = dict[str, Any]


def _svg(_: click.Context, __: click.Parameter, out: Path | None) -> Path | None:
    """A file that the picture can be written to: what is refused here has not measured for an hour before."""
    if out is None:
        return None
    if out.suffix.lower() != ".svg":
        raise click.BadParameter(f"the picture is an SVG: write {out.with_suffix('.svg').name}")
    if not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}")
    return out


def _out(*, required: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("--out", required=required, type=path, callback=_svg, help="The picture, FILE.svg.")


EVAL = click.option("--eval", "eval_name", metavar="EVAL", help="Only what was measured with this eval set.")
HITS = click.option("-k", "k", type=int, help="Only what was measured for so many hits. [those of the last]")


@click.group()
def trial() -> None:
    """Measure HNSW configs of an index, and find the one that reaches a recall."""


def parse_arm(text: str) -> Document:
    """`m=16,ef_construction=80,ef_search=30/60/100,type=halfvec` as the API takes it.

    Raises:
        InvalidInputError: it is not like that.
    """
    parts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if (
        not {"m", "ef_construction", "ef_search"}
        <= set(parts)
        <= {"m", "ef_construction", "ef_search", "type"}
    ):
        raise InvalidInputError(
            f"arm {text!r}: write m=16,ef_construction=80,ef_search=30/60/100, and type=halfvec, vector or binary"
        )
    try:
        arm: Document = {name: int(parts[name]) for name in ("m", "ef_construction")}
        arm["ef_search"] = [int(beam) for beam in parts["ef_search"].split("/")]
    except ValueError as exc:
        raise InvalidInputError(f"arm {text!r}: m, ef_construction and ef_search are whole numbers") from exc
    return {**arm, **({"type": parts["type"]} if "type" in parts else {})}


@trial.command("run")
@click.argument("index_name", metavar="INDEX")
@click.option("--eval", "eval_name", metavar="EVAL", required=True, help="The questions.")
@click.option(
    "--arm",
    "arms",
    multiple=True,
    required=True,
    metavar="m=16,ef_construction=80,ef_search=30/60/100",
    help="A graph and its beams; repeat it. type=halfvec, vector or binary may be added.",
)
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many hits.")
@click.option("--no-wait", is_flag=True, help="Answer with the job that measures.")
@_out()
@connected()
def run_trial(
    session: Session,
    index_name: str,
    eval_name: str,
    arms: tuple[str, ...],
    k: int,
    no_wait: bool,
    out: Path | None,
) -> None:
    """Measure arms on a copy of INDEX: recall against exact truth, and time."""
    body = {"index": index_name, "eval": eval_name, "arms": [parse_arm(arm) for arm in arms], "k": k}
    accepted = session.api.post("/vectors/hnsw/trial", body)
    if no_wait:
        _say_job(session, accepted, out)
        return
    job = wait_for_job(session, accepted["job_id"])
    page = session.api.list_all(f"/vectors/hnsw/trials/{segment(index_name)}", job=job["id"])
    if session.as_json:
        show_json(page)
    else:
        show_jobs(page["items"][::-1])
    _picture(session, index_name, out, job=job["id"])


@trial.command("list")
@click.argument("index_name", metavar="INDEX")
@EVAL
@click.option(
    "-n", "--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="The newest so many."
)
@connected()
def list_trials(session: Session, index_name: str, eval_name: str | None, limit: int) -> None:
    """What was measured on INDEX, newest first."""
    page = session.api.get(f"/vectors/hnsw/trials/{segment(index_name)}", eval=eval_name, limit=limit)
    if session.as_json:
        show_json(page)
        return
    asked = f" with eval set {eval_name}" if eval_name else ""
    show_jobs(page["items"], none=f"nothing measured yet{asked}")


@trial.command("best")
@click.argument("index_name", metavar="INDEX")
@click.option(
    "--metric", type=click.Choice(["recall", "latency", "pareto"]), default="pareto", show_default=True
)
@EVAL
@HITS
@click.option(
    "--min-recall", type=float, default=0.9, show_default=True, help="By latency: only what reaches it."
)
@connected()
def best(
    session: Session, index_name: str, metric: str, eval_name: str | None, k: int | None, min_recall: float
) -> None:
    """The best measured config of INDEX; by pareto all that nothing is better than."""
    path = f"/vectors/hnsw/trials/{segment(index_name)}/best"
    found = session.api.get(path, metric=metric, eval=eval_name, k=k, min_recall=min_recall)
    if session.as_json:
        show_json(found)
        return
    show_best(found)


@trial.command("plot")
@click.argument("index_name", metavar="INDEX")
@EVAL
@HITS
@click.option("--job", metavar="ID", help="Only what this job measured, whatever became of INDEX since.")
@_out(required=True)
@connected()
def plot(
    session: Session, index_name: str, eval_name: str | None, k: int | None, job: str | None, out: Path
) -> None:
    """A picture of what was measured on INDEX: recall against time."""
    _picture(session, index_name, out, eval=eval_name, k=k, job=job)
    if session.as_json:
        show_json({"out": str(out)})


@trial.command("autotune")
@click.argument("index_name", metavar="INDEX")
@click.option("--target", type=float, default=0.95, show_default=True, help="The recall to reach.")
@click.option("--eval", "eval_name", metavar="EVAL", help="The questions. [made of the index's rows]")
@click.option("--profile", help="Say what makes the config this profile's.")
@click.option("-k", "k", type=int, default=10, show_default=True, help="How many hits.")
@click.option("--no-wait", is_flag=True, help="Answer with the job that measures.")
@_out()
@connected()
def autotune(
    session: Session,
    index_name: str,
    target: float,
    eval_name: str | None,
    profile: str | None,
    k: int,
    no_wait: bool,
    out: Path | None,
) -> None:
    """Find the fastest config of INDEX that reaches a recall. Nothing is changed by it."""
    body = {"index": index_name, "target_recall": target, "eval": eval_name, "profile": profile, "k": k}
    accepted = session.api.post("/vectors/hnsw/autotune", body)
    if no_wait:
        _say_job(session, accepted, out)
        return
    tuned = wait_for_job(session, accepted["job_id"])["result"]
    if session.as_json:
        show_json(tuned)
    else:
        show_jobs(tuned["evidence"])
        _say_tuned(session, tuned, k)
    _picture(session, index_name, out, job=accepted["job_id"])


def _say_tuned(session: Session, tuned: Document, k: int) -> None:
    config, found = tuned["config"], tuned["best"]
    words = f"m {config['m']}, ef_construction {config['ef_construction']}, ef_search {config['ef_search']}"
    interval = f"{found['recall_low']:.4f} to {found['recall_high']:.4f}"
    if tuned["reached"]:
        say(
            f"{words}: recall@{k} {found['recall']:.4f} ({interval}), {duration(found['p50_us'] / 1000)}",
            "bold",
        )
    else:
        note(f"no config is shown to reach {tuned['target_recall']:g}; the nearest is {words} ({interval})")
    if tuned["offer"]:
        profile = tuned["offer"]["body"]
        say(f"nothing is changed yet; to make it the config of profile {profile['id']}:")
        say("  " + session.command(*create_words(profile)))
        say("  " + session.command("profile", "activate", profile["id"]))
        say("until it is activated, its searches are exact, unless this graph is built already", "dim")


def _say_job(session: Session, accepted: Document, out: Path | None) -> None:
    if out is not None:
        index, job = accepted["index"], accepted["job_id"]
        note("there is no picture yet; when the job has measured, draw it with:")
        note("  " + session.command("trial", "plot", index, "--job", job, "--out", str(out)))
    if session.as_json:
        show_json(accepted)
        return
    say(f"job {accepted['job_id']} measures {accepted['index']} with {accepted['eval']}; watch it:")
    say("  " + session.command("job", "show", accepted["job_id"], "--wait"))


def _plot_path(index_name: str, **query: str | int | None) -> str:
    asked = "&".join(f"{name}={segment(str(value))}" for name, value in query.items() if value is not None)
    return f"/vectors/hnsw/trials/{segment(index_name)}/plot?{asked}"


def _picture(session: Session, index_name: str, out: Path | None, **query: str | int | None) -> None:
    if out is None:
        return
    with session.api.fetch(_plot_path(index_name, **query)) as response:
        out.write_bytes(response.read())
    note(f"the picture is {out}")


@trial.command("cache")
@connected()
def cache(session: Session) -> None:
    """How large the indexes are that the key may search, and what of them is warm."""
    path = "/vectors/hnsw/cache/stats"
    page = found = session.api.get(path, limit=500)
    while page["next_cursor"]:
        page = session.api.get(path, limit=500, cursor=page["next_cursor"])
        found["items"] += page["items"]
    if session.as_json:
        show_json({**found, "next_cursor": None})
        return
    show_cache(found)


trial.add_command(eval_group, "eval")
