"""doctor: is everything that must hold so? Server, extension, migrations, login, governance rules, model."""

import contextlib
from collections.abc import Iterator
from typing import Literal

import msgspec
import psycopg
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from app.cli.output import get_console, printable
from app.db.database import Database, open_database
from app.db.deployment import MIN_SERVER_VERSION, MIN_VECTOR_VERSION
from app.db.embedded import find_running
from app.db.home_lock import HomeLock, find_owner
from app.db.lint import list_lints, run_lints
from app.db.target import Target, open_target, service_dsn
from app.errors import LakewardError, UnavailableError
from app.models.registry import create_embedder
from app.settings import ModelSettings, Settings

#: What other users of huge pages on a machine may take, and sessions of the server beside its shared memory.
SPARE_PAGES = 50
Status = Literal["ok", "warn", "fail"]
EMBEDDED_WARNING = (
    "embedded: one machine, no TLS, and security releases come to it late; where that is not enough, set "
    "LAKEWARD_DATABASE_URL to a server of your own"
)


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at: what was found, and what to do when it is not as it must be.

    `page` is the file that says more, for a finding of a governance rule.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""
    page: str = ""


class Report(msgspec.Struct, frozen=True):
    """Everything that was looked at; a warning does not make it bad."""

    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "fail" for check in self.checks)


async def check(settings: Settings) -> Report:
    """Look at everything; what cannot be looked at is a failure of its own, and the rest is still looked at.

    An embedded server that does not run is started for this, and stopped again.
    """
    checks: list[Check] = []
    with contextlib.ExitStack() as stack:
        try:
            target = stack.enter_context(_open(settings))
        except (LakewardError, psycopg.Error) as exc:
            checks.append(Check("postgres", "fail", _first_line(exc), "start it with: lakeward up"))
        else:
            checks += _check_server(target)
            checks += await _check_database(settings, target)
    checks.append(_check_running(settings))
    checks.append(await _check_model(settings.models.embed))
    return Report(checks)


@contextlib.contextmanager
def _open(settings: Settings) -> Iterator[Target]:
    if settings.database_url is None:
        if not (settings.home / "pg" / "PG_VERSION").exists():
            raise UnavailableError(f"there is no Lakeward in {settings.home} yet")
        if find_running(settings.home) is None:
            lock = HomeLock(settings.home)
            lock.acquire("lakeward doctor")
            try:
                target = open_target(settings)
                try:
                    yield target
                finally:
                    if target.server is not None:
                        target.server.stop()
            finally:
                lock.release()
            return
    yield open_target(settings)


def _check_server(target: Target) -> list[Check]:
    query = (
        "select current_setting('server_version_num')::int, current_setting('server_version'),"
        " (select extversion from pg_extension where extname = 'vector'),"
        " current_setting('huge_pages_status', true), current_setting('shared_memory_size_in_huge_pages', true)"
    )
    try:
        with psycopg.connect(target.admin_dsn, connect_timeout=10) as connection:
            row = connection.execute(query).fetchone()
    except psycopg.Error as exc:
        return [
            Check("postgres", "fail", _first_line(exc), "is the server up, and LAKEWARD_DATABASE_URL right?")
        ]
    assert row is not None
    number, version, vector, *pages = row
    if number < MIN_SERVER_VERSION:
        server = Check("postgres", "fail", version, f"Lakeward needs {MIN_SERVER_VERSION // 10000} or newer")
    elif target.server is not None:
        server = Check("postgres", "warn", version, EMBEDDED_WARNING)
    else:
        server = Check("postgres", "ok", version)
    return [server, _check_vector(vector), *_check_pages(*pages)]


def _check_pages(status: str | None, needed: str | None) -> list[Check]:
    """Whether the server's memory is in huge pages; nothing is said where it is not known (before 17) or has none.

    A walk of the graph waits for memory: with pages of 4 KB a search of 107,525 texts at a recall of .99 took 2.85 ms,
    with huge pages 2.25 ms.
    """
    if status == "on":
        return [Check("huge pages", "ok", "in use")]
    if status != "off" or needed is None or int(needed) <= 0:
        return []
    remedy = (
        "searches take about a fifth longer than they need to; as root: "
        f"sysctl vm.nr_hugepages={int(needed) + SPARE_PAGES}, then start the server again"
    )
    return [Check("huge pages", "warn", "not in use", remedy)]


def _check_vector(version: str | None) -> Check:
    floor = ".".join(map(str, MIN_VECTOR_VERSION))
    if version is None:
        return Check("pgvector", "fail", "not installed in this database", "run: lakeward migrate")
    try:
        enough = tuple(int(part) for part in version.split(".")) >= MIN_VECTOR_VERSION
    except ValueError:
        enough = False
    if enough:
        return Check("pgvector", "ok", version)
    return Check(
        "pgvector", "fail", version, f"update it to {floor} or newer: alter extension vector update;"
    )


async def _check_database(settings: Settings, target: Target) -> list[Check]:
    """The service login, the migrations, and the rules, through the door that the app uses."""
    try:
        database = await open_database(service_dsn(settings, target.admin_dsn), settings)
    except (LakewardError, psycopg.Error) as exc:
        return [Check("database", "fail", _first_line(exc), "run: lakeward migrate")]
    try:
        deployment = database.deployment
        return [
            Check("service login", "ok", deployment.service_role),
            Check("migrations", "ok", f"at {deployment.schema_version}, the newest"),
            *await _check_rules(database),
        ]
    finally:
        await database.close()


async def _check_rules(database: Database) -> list[Check]:
    rules = {rule.rule: rule for rule in list_lints()}
    try:
        async with database.owner(timeout_ms=60_000).begin() as transaction:
            findings = await run_lints(transaction)
    except LakewardError as exc:
        return [Check("governance", "fail", exc.message, "nothing is served until the rules can be checked")]
    if not findings:
        return [Check("governance", "ok", f"{len(rules)} rules hold")]
    return [
        Check(
            f"rule {found.rule}",
            "fail",
            f"{found.object}: {found.detail}",
            rules[found.rule].why,
            rules[found.rule].page,
        )
        for found in findings
    ]


def _check_running(settings: Settings) -> Check:
    owner = find_owner(settings.home)
    if owner is None:
        return Check("server", "ok", "lakeward up does not run on this home")
    return Check("server", "ok", f"at {owner.url}, process {owner.pid}")


async def _check_model(settings: ModelSettings) -> Check:
    name = f"model {settings.provider}"
    try:
        embedder = create_embedder(settings)
        try:
            info = await embedder.describe()
            await embedder.embed(["lakeward"])
        finally:
            await embedder.close()
    except LakewardError as exc:
        return Check(name, "fail", exc.message, "see models.embed in lakeward.toml")
    return Check(name, "ok", f"{info.name}, {info.dimensions} dimensions, version {info.version}")


def render(report: Report, *, as_json: bool) -> str:
    """The report as JSON, or as a table with what to do where something is not as it must be."""
    if as_json:
        return msgspec.json.encode({"ok": report.ok, "checks": report.checks}).decode()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("check", overflow="fold")
    table.add_column("found", overflow="fold")
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for each in report.checks:
        found = Text(printable(each.found))
        if each.remedy:
            found.append(f"\n{printable(each.remedy)}", style="dim")
        if each.page:
            found.append(f"\nwhat to do: {printable(each.page)}", style="dim")
        table.add_row(Text(each.status, style=styles[each.status]), printable(each.name), found)
    console = get_console()
    with console.capture() as capture:
        console.print(table)
        console.print("all good" if report.ok else "something is wrong; what to do is beside it")
    return capture.get().rstrip("\n")


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or ["no reason given"])[0]
