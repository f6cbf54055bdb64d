"""The operating system's user that the embedded Postgres runs as.

Postgres refuses to run as root, so root runs it as a user of its own; anybody else runs it as themselves.
"""

import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

from app.errors import ServerStartError

OS_USER = "pgserver"


def ensure_os_user() -> None:
    """Make the server's user when there is none yet.

    Raises:
        ServerStartError: it cannot be made.
    """
    try:
        pwd.getpwnam(OS_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", OS_USER]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as exc:
            raise ServerStartError(
                f"root cannot run Postgres itself, and the user {OS_USER!r} cannot be made; "
                "make it, run as another user, or set LAKEWARD_DATABASE_URL"
            ) from exc


def let_through(path: Path) -> None:
    """Let others pass through `path` and the folders above it, not list them (o+x, and nothing more).

    The wheel does the same, with read rights too. It is what makes a home below a /root of 0700 work.
    """
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def server_uid() -> int:
    """The number of the user the server runs as."""
    return pwd.getpwnam(OS_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def give_to_server(path: Path) -> None:
    """Give a path to the user the server runs as."""
    if os.geteuid() == 0:
        os.chown(path, server_uid(), -1)


def run_as_server(program: Path, *arguments: str, keep: int | None = None) -> None:
    """Run one of Postgres' programs to its end, as the server's user.

    `keep` is a descriptor, of a lock, that the program and its children hold as well.

    Raises:
        ServerStartError: it failed; with the end of what it said.
    """
    try:
        done = subprocess.run(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
            start_new_session=True,
            pass_fds=() if keep is None else (keep,),
            umask=0o077,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
            **_identity(),
        )
    except OSError as exc:
        who = OS_USER if os.geteuid() == 0 else "this user"
        raise ServerStartError(
            f"{program} cannot be run as {who}: {exc.strerror}; let that user read the folders of the installation, "
            "run as another user, or set LAKEWARD_DATABASE_URL"
        ) from exc
    if done.returncode != 0:
        raise ServerStartError(f"{program.name} failed: {(done.stderr or 'no reason given').strip()[-2000:]}")


def _identity() -> dict[str, Any]:
    # not preexec_fn, which may deadlock in a process with threads (subprocess' documentation)
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(OS_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
