"""Waiting for a job: a progress bar where there is a terminal, plain lines where there is none."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from app.cli.client import segment
from app.cli.output import get_console, note, printable
from app.cli.session import Session
from app.errors import InternalError, LakewardError

POLL_S = 0.25
#: Seconds between two plain lines.
LINE_S = 10.0
ENDED = ("succeeded", "failed", "cancelled")

Job = dict[str, Any]


def wait_for_job(session: Session, job_id: str) -> Job:
    """The job when it has succeeded. Ctrl-C ends the waiting, not the job.

    Raises:
        LakewardError: it failed or was cancelled; with its own message.
    """
    try:
        with _shown() as show:
            while True:
                job: Job = session.api.get(f"/vectors/jobs/{segment(job_id)}")
                show(job)
                if job["state"] in ENDED:
                    break
                time.sleep(POLL_S)
    except KeyboardInterrupt:
        note(f"the job goes on; watch it with: {session.command('job', 'show', job_id, '--wait')}")
        raise click.Abort from None
    return _succeeded(job)


def _succeeded(job: Job) -> Job:
    what = f"{job['kind']} of {job['subject']}" if job["subject"] else str(job["kind"])
    if job["state"] == "failed":
        raise LakewardError(f"{what} failed: {(job['error'] or {}).get('message', 'no reason given')}")
    if job["state"] == "cancelled":
        raise LakewardError(f"{what} was cancelled")
    if job["state"] != "succeeded":
        raise InternalError(f"{what} is {job['state']}")
    return job


@contextmanager
def _shown() -> Iterator[Callable[[Job], None]]:
    if not sys.stderr.isatty():
        yield _plain()
        return
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _JobFigures(),
    ]
    with Progress(*columns, console=get_console(stderr=True), transient=True) as progress:
        task = progress.add_task("waiting", total=None, figures="")

        def show(job: Job) -> None:
            done = job["progress"]
            progress.update(
                task,
                description=f"{job['kind']} {printable(job['subject'])}",
                completed=done["done"],
                total=done["total"],
                figures=describe_progress(job),
            )

        yield show


class _JobFigures(ProgressColumn):
    def render(self, task: Any) -> Text:
        return Text(str(task.fields.get("figures", "")))


def _plain() -> Callable[[Job], None]:
    last: dict[str, Any] = {"state": None, "at": 0.0}

    def show(job: Job) -> None:
        now = time.monotonic()
        if job["state"] != last["state"] or now - last["at"] >= LINE_S:
            last.update(state=job["state"], at=now)
            note(f"{job['kind']} {job['subject']}: {job['state']} {describe_progress(job)}".rstrip())

    return show


def describe_progress(job: Job) -> str:
    """`512 of 1,404 rows, 240/s, 4 s left; waiting for the model: …`, as far as it is known."""
    waits = job["state"] == "running" and job.get("error")
    said = [_describe_done(job), printable(job["error"]["message"]) if waits else ""]
    return "; ".join(filter(None, said))


def _describe_done(job: Job) -> str:
    progress = job["progress"]
    if not (progress["done"] or progress["total"]):
        return ""
    text = f"{progress['done']:,}"
    if progress["total"] is not None:
        text += f" of {progress['total']:,}"
    text += f" {progress['unit']}"
    if job["state"] == "running" and progress["rate"]:
        text += f", {progress['rate']:,.0f}/s"
    if job["state"] == "running" and progress["eta_s"] is not None:
        text += f", {progress['eta_s']:,.0f} s left"
    return text


@contextmanager
def upload_progress(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes sent, where there is a terminal; when all are, the server loads."""
    with transfer_progress("sending", name, size, then="loading") as sent:
        yield sent


@contextmanager
def transfer_progress(
    verb: str, name: str, size: int | None, *, then: str | None = None
) -> Iterator[Callable[[int], None]]:
    """A bar of bytes, where there is a terminal; `then` is what happens once all are through.

    `size` is None when nobody knows how many there will be.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
    ]
    with Progress(*columns, console=get_console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{verb} {printable(name)}", total=size)

        def moved(count: int) -> None:
            progress.advance(task, count)
            if then and progress.tasks[0].finished:
                progress.update(task, description=f"{then} {printable(name)}")

        yield moved
