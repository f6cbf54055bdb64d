"""index refresh, stale, rejected."""

from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, note, say, show_json, show_table
from app.cli.session import Session, connected
from app.cli.watch import wait_for_job
from app.errors import LakewardError

Document = dict[str, Any]
PARTS = ("embedded", "reused", "removed")


@click.command("refresh")
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Answer with the jobs when it takes longer.")
@connected()
def refresh_index(session: Session, name: str, no_wait: bool) -> None:
    """Embed what came or changed since: NAME is a dataset, a view or an index."""
    answer = session.api.post(f"/vectors/refresh/{segment(name)}", {})
    if "jobs" in answer and not no_wait:
        answer = _wait_for_all(session, answer["jobs"])
    if session.as_json:
        show_json(answer)
    elif "jobs" in answer:
        for job in answer["jobs"]:
            watch = session.command("job", "show", job["job_id"], "--wait")
            say(f"{job['index']}: job {job['job_id']} embeds it; watch it: {watch}")
    else:
        _say_done(session, name, answer)


def _wait_for_all(session: Session, jobs: list[Document]) -> Document:
    """What they did together, as a refresh at once says it.

    Raises:
        LakewardError: one failed or was cancelled; all have ended then.
    """
    results: list[tuple[str, Document]] = []
    failed: list[LakewardError] = []
    for job in jobs:
        try:
            results.append((job["index"], wait_for_job(session, job["job_id"])["result"] or {}))
        except LakewardError as exc:
            failed.append(exc)
    if failed:
        raise LakewardError("; ".join(exc.message for exc in failed))
    done: Document = {
        part: sum(result.get(part, 0) for _, result in results) for part in (*PARTS, "rejected")
    }
    done["rejected_in"] = [index for index, result in results if result.get("rejected")]
    return done


def _say_done(session: Session, name: str, answer: Document) -> None:
    done = ", ".join(f"{answer.get(part, 0):,} {part}" for part in PARTS)
    waiting = answer.get("rejected", 0)
    if not waiting:
        say(f"{name} is fresh: {done}")
        return
    say(f"{name}: {done}, {waiting:,} refused by the model")
    for index in answer["rejected_in"]:
        why = session.command("index", "rejected", index)
        note(f"{index} is not fresh: the rows that were refused wait; see why: {why}")


@click.command("stale")
@connected()
def list_stale(session: Session) -> None:
    """Indexes with rows that wait to be embedded."""
    page = session.api.list_all("/vectors/stale")
    if session.as_json:
        show_json(page)
        return
    rows = (
        [i["index"], i["source"], i["stale_rows"], moment(i["stale_since"]), i["refresh_policy"]]
        for i in page["items"]
    )
    show_table(["index", "of", "waiting#", "since", "policy"], rows, none="every index is current")


@click.command("rejected")
@click.argument("index_name", metavar="INDEX")
@connected()
def list_rejected(session: Session, index_name: str) -> None:
    """Rows of INDEX that were set aside because the model refused their text, each with the reason."""
    page = session.api.list_all(f"/vectors/indexes/{segment(index_name)}/rejected")
    if session.as_json:
        show_json(page)
        return
    rows = ([row["row_key"], row["reason"], moment(row["since"])] for row in page["items"])
    show_table(["row", "reason", "since"], rows, none="no row was refused")
