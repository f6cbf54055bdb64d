"""job list, show, cancel."""

from typing import Any

import rich_click as click

from app.cli.client import segment
from app.cli.output import moment, note, show_fields, show_json, show_table
from app.cli.session import Session, connected
from app.cli.watch import describe_progress, wait_for_job

Document = dict[str, Any]


@click.group()
def job() -> None:
    """List, show and cancel jobs."""


@job.command("list")
@click.option("--state", type=click.Choice(["queued", "running", "succeeded", "failed", "cancelled"]))
@click.option("--kind", help="Only jobs of this kind.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="The newest so many."
)
@connected()
def list_jobs(session: Session, state: str | None, kind: str | None, limit: int) -> None:
    """Jobs, newest first."""
    page = session.api.get("/vectors/jobs", state=state, kind=kind, limit=limit)
    if session.as_json:
        show_json(page)
        return
    rows = ([j["id"], j["kind"], j["subject"], _state(j)] for j in page["items"])
    show_table(["job#", "kind", "of", "state"], rows, none="no jobs")


def _state(found: Document) -> str:
    if found["state"] == "running":
        return f"running, {describe_progress(found)}"
    return str(found["state"])


@job.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has ended; exit code 1 when it failed.")
@connected()
def show_job(session: Session, job_id: str, wait: bool) -> None:
    """One job: its state, its progress, its result or error."""
    found = wait_for_job(session, job_id) if wait else session.api.get(f"/vectors/jobs/{segment(job_id)}")
    _show_job(session, found)


def _show_job(session: Session, found: Document) -> None:
    if session.as_json:
        show_json(found)
        return
    show_fields(
        [
            ("job", found["id"]),
            ("kind", found["kind"]),
            ("of", found["subject"]),
            ("state", found["state"]),
            ("progress", describe_progress(found)),
            ("error", (found["error"] or {}).get("message")),
            ("attempts", found["attempts"]),
            ("created", moment(found["created_at"])),
            ("ended", moment(found["finished_at"])),
            *((name, value) for name, value in (found["result"] or {}).items() if name != "columns"),
        ]
    )


@job.command("cancel")
@click.argument("job_id", metavar="ID")
@connected()
def cancel_job(session: Session, job_id: str) -> None:
    """Cancel a job: at once while it is queued, at its next checkpoint while it runs."""
    found = session.api.delete(f"/vectors/jobs/{segment(job_id)}")
    _show_job(session, found)
    if found["state"] == "running" and not session.as_json:
        note(
            "it was told to stop and does so at its next checkpoint, unless it is done first; see it end: "
            + session.command("job", "show", found["id"], "--wait")
        )
