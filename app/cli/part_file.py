"""A file that is written beside its target and takes its place when it is whole."""

import contextlib
import os
import secrets
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import rich_click as click

from app.errors import InvalidInputError

#: Seconds after which a command that was told to end, and did not hear it, is told again.
AGAIN_S = 3


@contextlib.contextmanager
def part_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write to: at the end it is the target; when what writes it fails or is stopped, nothing has changed.

    A link stays one, and what it leads to is replaced, with the mode that it had. What is no file (a pipe, a device)
    is written to as it is.

    Raises:
        InvalidInputError: it cannot be written.
    """
    try:
        with _stopped_by_signals():
            if target.exists() and not target.is_file():
                with target.open("wb") as file:
                    yield file
            else:
                yield from _replaced(Path(os.path.realpath(target)))
    except OSError as exc:
        raise InvalidInputError(f"cannot write {target}: {os.strerror(exc.errno or 0)}") from exc


def _replaced(target: Path) -> Iterator[BinaryIO]:
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        with part.open("x+b") as file:
            yield file
            file.flush()
            if target.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """The signals that end a command end it as Ctrl-C does, which leaves time to tidy up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        # what is raised while an object is being deleted is lost (docs.python.org, object.__del__): say it again then
        signal.alarm(AGAIN_S)
        raise KeyboardInterrupt if number == signal.SIGINT else click.Abort

    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.signal(number, stop) for number in ends}
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
