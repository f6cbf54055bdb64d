"""The operating system's user that the embedded Postgres runs as.

Postgres refuses to run as root, so root runs it as a user of its own; anybody else runs it as themselves.
"""

import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

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
    """Others may pass through the folders above `path`, not list them; as the wheel does when root runs it."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


def server_uid() -> int:
    """The number of the user the server runs as."""
    return pwd.getpwnam(OS_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def give_to_server(path: Path) -> None:
    """Give a path to the user the server runs as."""
    if os.geteuid() == 0:
        os.chown(path, server_uid(), -1)


def _demote() -> Callable[[], None] | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(OS_USER)

    def become() -> None:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.umask(0o077)

    return become


def run_as_server(program: Path, *arguments: str) -> None:
    """Run one of Postgres' programs to its end, as the server's user.

    Raises:
        ServerStartError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        [str(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        preexec_fn=_demote(),
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
    )
    if done.returncode != 0:
        raise ServerStartError(f"{program.name} failed: {(done.stderr or 'no reason given').strip()[-2000:]}")
