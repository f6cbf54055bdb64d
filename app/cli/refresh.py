"""index refresh, stale."""

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, note, say, show_json, show_table
from app.cli.session import Session, connected
from app.cli.watch import wait_for_job


@click.command("refresh")
@click.argument("name")
@click.option("--no-wait", is_flag=True, help="Answer with the job when it takes longer.")
@connected()
def refresh_index(session: Session, name: str, no_wait: bool) -> None:
    """Embed what came or changed since: NAME is a dataset, a view or an index."""
    answer = session.api.post(f"/vectors/refresh/{segment(name)}", {})
    if "jobs" in answer and not no_wait:
        results = [wait_for_job(session, job["job_id"])["result"] or {} for job in answer["jobs"]]
        parts = ("embedded", "reused", "removed", "rejected")
        answer = {part: sum(result.get(part, 0) for result in results) for part in parts}
    if session.as_json:
        show_json(answer)
    elif "job_id" in answer:
        say(
            f"job {answer['job_id']} embeds it; watch it: {session.command('job', 'show', answer['job_id'], '--wait')}"
        )
    else:
        done = ", ".join(f"{answer.get(part, 0):,} {part}" for part in ("embedded", "reused", "removed"))
        say(f"{name} is fresh: {done}")
        if answer.get("rejected"):
            note(
                f"{answer['rejected']:,} rows were refused by the model; GET /vectors/indexes/{name}/rejected says why"
            )


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
