"""A deployment full of secrets, and a hostile reader of a little of it; what that sees is searched for the secrets."""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from app.cli.psql import short_login
from tests.doors.escapes import ROLES
from tests.doors.fingerprint import changes, take_fingerprint
from tests.integration.api.conftest import Api

INDEX = "people_safe_v1"
TIMEOUT = "-c statement_timeout=5000 -c lock_timeout=2000"


class Outcome(msgspec.Struct, frozen=True):
    """What one statement came to: its error, if any, and everything that the reader got to see."""

    statement: str
    error: str | None
    sqlstate: str | None
    seen: str


class Finding(msgspec.Struct, frozen=True):
    """An escape."""

    statement: str
    what: str


class World(msgspec.Struct, frozen=True):
    """The deployment, its hostile reader's login, and what nobody but an admin may see."""

    api: Api
    user: str
    dsn: str
    names: dict[str, str]
    secrets: list[str]

    @property
    def own(self) -> list[str]:
        """The hostile reader's own roles."""
        return [self.user, f"{self.api.deployed.deployment.profile_prefix}reader"]

    def fill(self, statement: str) -> str:
        """The statement with the names of this deployment."""
        return statement.format(**self.names) if "{" in statement else statement

    def connect(self) -> psycopg.Connection[Any]:
        """A new session of the hostile reader."""
        connection = psycopg.connect(self.dsn, autocommit=True, options=TIMEOUT)
        assert connection.execute("select current_user::text").fetchone() == (self.own[1],)
        return connection

    def restore_login(self, admin: psycopg.Connection[Any]) -> None:
        """The login's own settings as they were: whom it becomes is its own to change, to its own loss."""
        schema = "p_reader"
        user, role, database = (sql.Identifier(n) for n in (*self.own, self.api.deployed.name))
        admin.execute(sql.SQL("alter role {} reset all").format(user))
        admin.execute(sql.SQL("alter role {} in database {} set role to {}").format(user, database, role))
        statement = sql.SQL("alter role {} in database {} set search_path to {}")
        admin.execute(statement.format(user, database, sql.Identifier(schema)))

    def leaked(self, seen: str) -> list[str]:
        """The secrets in what was seen."""
        lower = seen.lower()
        return [secret for secret in self.secrets if secret.lower() in lower]

    def attack(self, statements: Iterable[str], *, refused: bool) -> list[Finding]:
        """Run each in a session of its own; what got out, what was not refused, and what is not as it was before."""
        found: list[Finding] = []
        with self.api.deployed.connect() as admin:
            before = take_fingerprint(admin, self.own)
            for template in statements:
                with self.connect() as connection:
                    outcome = run(connection, self.fill(template))
                found += self.judge(outcome, refused=refused)
                if "alter role {login}" in template:
                    self.restore_login(admin)
            changed = changes(before, take_fingerprint(admin, self.own))
        return [*found, *(Finding(f"after them all: {name}", f"{lines}") for name, lines in changed.items())]

    def judge(self, outcome: Outcome, *, refused: bool) -> list[Finding]:
        """What is wrong with the outcome of one statement."""
        found = [Finding(outcome.statement, f"shows {secret}") for secret in self.leaked(outcome.seen)]
        if refused and outcome.error is None:
            found.append(Finding(outcome.statement, "was not refused"))
        if outcome.sqlstate is not None and outcome.sqlstate.startswith("XX"):
            found.append(Finding(outcome.statement, f"broke something: {outcome.error}"))
        return found


def run(connection: psycopg.Connection[Any], statement: str) -> Outcome:
    """Run a statement, or several; the session may be of no use afterwards."""
    seen: list[str] = []
    connection.add_notice_handler(lambda diagnostic: seen.append(describe(diagnostic)))
    error = sqlstate = None
    try:
        with connection.cursor() as cursor:
            if statement.startswith("copy") and statement.endswith("stdout"):
                with cursor.copy(statement.encode()) as rows:
                    seen += [bytes(row).decode() for row in rows]
            else:
                cursor.execute(statement.encode())
                more: Any = True
                while more:
                    seen += [show(cursor.fetchall())] if cursor.description else [cursor.statusmessage or ""]
                    more = cursor.nextset()
    except psycopg.Error as exc:
        error, sqlstate = str(exc), exc.sqlstate
        seen += [error, describe(exc.diag)]
    if connection.pgconn.transaction_status not in (0, 4):
        connection.close()
    return Outcome(statement, error, sqlstate, "\n".join(seen))


def describe(diagnostic: Any) -> str:
    """Every field of a message."""
    fields = ("severity", "message_primary", "message_detail", "message_hint", "context", "internal_query")
    fields += ("schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
    return "\n".join(str(getattr(diagnostic, field)) for field in fields)


def show(value: Any) -> str:
    """A value with everything in it, bytes as hex too."""
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex() + bytes(value).decode("latin-1")
    if isinstance(value, list | tuple):
        return " | ".join(map(show, value))
    return str(value)


def people() -> list[dict[str, Any]]:
    """Rows whose every hidden part is a secret of its own."""
    chooser = random.Random(5)
    words = ["otter", "maple", "harbour", "signal", "velvet", "canyon"]
    return [
        {
            "id": 730041900 + i * 1009,
            "name": f"Quetzal{i}coatl" if i % 3 == 0 else f"Ada {i}",
            "city": "Hidden" if i % 3 == 0 else "Lund",
            "secret": f"hush{i}zebra",
            "note": " ".join(chooser.choice(words) for _ in range(6))
            + (f" veiled{i}word" if i % 3 == 0 else ""),
        }
        for i in range(60)
    ]


def build(api: Api) -> list[str]:
    """Make the datasets, the view, the profiles and the indexes, and plant; answers the secrets."""
    rows = people()
    api.ingest("people", msgspec.json.encode(rows), "people.json", row_key="id")
    api.ingest("vault", "id,text\n1,vaulted1word\n2,vaulted2word\n", row_key="id")
    api.ingest("orders", "id,text\n1,ordered1word\n2,ordered2word\n", row_key="id")
    api.ingest("staff", "id,badge,salary\n1,badge1word,8675301\n2,badge2word,8675302\n", row_key="id")
    for column in ("badge", "salary"):
        change = {"columns": {column: {"sensitivity": "confidential"}}}
        answer = api.admin.patch("/catalog/datasets/by-name/staff/metadata", json=change)
        assert answer.status_code == 200, answer.text
    view = {
        "name": "people_safe",
        "base_dataset": "people",
        "columns": ["id", "name", "city", "note"],
        # dearer to the planner than a reader's own condition, so that without the barrier it would be tried last
        "row_filter": "city <> 'Hidden' or length(city) > 1000",
        "redactions": {"id": {"action": "mask", "keep_prefix": 1, "keep_suffix": 0}},
    }
    answer = api.admin.post("/catalog/views", json=view)
    assert answer.status_code == 201, answer.text
    for source, column in (("people_safe", "note"), ("people", "secret"), ("vault", "text")):
        api.index(source, column)
    api.profile("reader", "people_safe", "staff")
    api.profile("beta", "orders")
    plant(api)
    return [
        *(row["secret"] for row in rows),
        *(str(row["id"]) for row in rows[1:]),
        *(row["name"] for row in rows if row["city"] == "Hidden"),
        *(f"veiled{i}word" for i in range(0, 60, 3)),
        *(f"{stem}{i}word" for stem in ("vaulted", "ordered", "badge") for i in (1, 2)),
        *(
            "8675301",
            "8675302",
            "rejected1word",
            "tombed1word",
            "journaled1word",
            "jobbed1word",
            "ghost1word",
        ),
        *keys(api),
    ]


def plant(api: Api) -> None:
    """What lies about in the catalog, and a row that was there until just now."""
    with api.deployed.connect("owner") as owner:
        owner.execute(
            "insert into lakeward.rejected_row (file_id, line, reason, raw)"
            " select id, 1, 'x', 'rejected1word' from lakeward.dataset_file limit 1"
        )
        owner.execute(
            "insert into lakeward.tombstone (dataset_id, row_key_column, key_value, key_hash, image)"
            " select id, 'id', 'tombed1word', 'x', '{\"a\": \"tombed1word\"}' from lakeward.dataset"
            " where name = 'people'"
        )
        owner.execute(
            "select lakeward.append_journal('x', 'people', 'journaled1word', 'a', '\"journaled1word\"', null)"
        )
        owner.execute(
            "insert into lakeward.job (kind, subject, args, error, state)"
            " values ('x', 'jobbed1word', '{\"a\": \"jobbed1word\"}', '{\"detail\": \"jobbed1word\"}', 'failed')"
        )
        owner.execute(
            "insert into lake.people (id, name, city, secret, note) values (1, 'x', 'Lund', 'x', 'ghost1word')"
        )
        owner.execute(
            "insert into vec.people_safe_v1 (row_key, chunk_no, embedding)"
            " select 1, 0, embedding from vec.people_safe_v1 limit 1"
        )
        owner.execute(
            "insert into vec.people_safe_v1_text select max(chunk_id), 'ghost1word', 0, 9 from vec.people_safe_v1"
        )
    with api.deployed.connect() as admin:
        admin.execute("analyze")
    with api.deployed.connect("owner") as owner:
        owner.execute("delete from lake.people where id = 1")


def keys(api: Api) -> list[str]:
    """What opens something: verifiers, hashes of API keys, the key of `hash`, passwords."""
    with api.deployed.connect() as admin:
        rows = admin.execute(
            "select encode(hmac_inner, 'hex') from lakeward.secret union all"
            " select encode(hmac_outer, 'hex') from lakeward.secret union all"
            " select encode(secret_sha256, 'hex') from lakeward.api_key union all"
            " select split_part(rolpassword, '$', 3) from pg_authid where rolpassword is not null"
        ).fetchall()
    admin_key = api.settings.admin_key_file.read_text().strip()
    return [value for (value,) in rows] + [admin_key.split("_", 2)[2]]


@contextmanager
def hostile_world(api: Api) -> Iterator[World]:
    """The world, while the reader has its login."""
    secrets = build(api)
    deployment = api.deployed.deployment
    prefix = deployment.profile_prefix
    with (
        short_login(api.deployed.service_dsn, "reader") as login,
        short_login(api.deployed.service_dsn, "beta") as other,
    ):
        roles = {
            "owner": deployment.owner_role,
            "gate": deployment.gate_role,
            "steward": deployment.steward_role,
            "service": deployment.service_role,
            "beta": f"{prefix}beta",
            "reader": f"{prefix}reader",
            "login": login.user,
            "other_login": other.user,
        }
        assert set(ROLES) <= set(roles)
        with api.deployed.connect() as admin:
            hits, dimensions = admin.execute(
                "select 'vec.hits_' || x.index_id || '_' || x.binding_id, i.dimensions"
                " from lakeward.index_reader x join lakeward.vector_index i on i.id = x.index_id where i.name = %s",
                [INDEX],
            ).fetchone()
        names = {name: sql.Identifier(role).as_string(None) for name, role in roles.items()}
        names |= {f"{name}_text": role for name, role in roles.items()}
        names |= {
            "index": INDEX,
            "hits": hits,
            "dimensions": str(dimensions),
            "database": sql.Identifier(api.deployed.name).as_string(None),
        }
        dsn = make_conninfo(api.deployed.dsn, user=login.user, password=login.password)
        yield World(api, login.user, dsn, names, secrets)
