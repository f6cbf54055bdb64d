"""People from the fake name generator, indexed and seen through a view, and erasures that run in this process."""

import csv
import hashlib
import io
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from app.db.database import Database
from app.db.scope import Actor
from app.ingest.requests import IngestPlan
from app.ingest.service import ingest
from app.jobs.context import Attempt, JobContext
from app.jobs.service import QUERIES as JOBS
from app.models.embedders import Embedders
from app.models.fake import FakeEmbedder
from app.profiles.models import ProfileRequest
from app.profiles.service import create_or_update_profile
from app.settings import Settings
from app.tombstones.erasure_models import Erasure, ErasureRequest, Receipt
from app.tombstones.erasure_service import create_erasure, get_erasure, get_receipt
from app.tombstones.erasure_tasks import erase
from app.vectors.indexing import index_pending
from app.vectors.models import IndexRequest
from app.vectors.service import create_index
from app.views.models import RedactionRequest, ViewRequest
from app.views.service import create_or_update_view

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
SOURCE = DATA / "pii" / "fakenamegenerator" / "FakeNameGenerator.com_3000.csv"
KEPT = (
    "Number",
    "GivenName",
    "Surname",
    "StreetAddress",
    "City",
    "EmailAddress",
    "Username",
    "TelephoneNumber",
)
COUNT = 2000


class People(msgspec.Struct, frozen=True):
    """A database with 2,000 people in `people`, an index over them, and one over a view that masks and filters."""

    database: Database
    settings: Settings
    data: Path
    rows: list[dict[str, str]]

    async def load(self, content: str, disposition: Any = "append", dataset: str = "people") -> Any:
        """Load a CSV as the API would."""
        path = self.settings.home / "sent.csv"
        path.write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        try:
            return await ingest(
                self.database,
                IngestPlan(str(path), "sent.csv", dataset, digest, "number", disposition),
            )
        finally:
            path.unlink()

    async def index(self, source: str, *columns: str) -> str:
        """Define an index and embed it."""
        embedder = FakeEmbedder()
        accepted = await create_index(
            self.database.steward(), embedder, IndexRequest(source=source, text_columns=list(columns))
        )

        async def report(done: int, total: int | None = None) -> None:
            pass

        await index_pending(self.database, Embedders(embedder), accepted.index, report)
        return accepted.index

    async def ask(self, *keys: str, dry_run: bool = False, reason: str = "asked by the person") -> str:
        """Ask for an erasure; its id."""
        request = ErasureRequest(dataset="people", row_key_values=list(keys), reason=reason, dry_run=dry_run)
        scope = self.database.steward(Actor(principal="tester", source="api"))
        return (await create_erasure(scope, request, self.settings.home)).id

    async def run(self, erasure_id: str) -> Erasure:
        """One attempt at its job, in this process; its exceptions come out."""
        job_id = (await self.get(erasure_id)).job_id
        async with self.database.owner().begin() as transaction:
            attempt = await transaction.find_one(Attempt, JOBS["start_job"], {"id": job_id})
        assert attempt is not None
        await erase(JobContext(self.database, job_id, "erasure", attempt), self.settings)
        return await self.get(erasure_id)

    async def erase(self, *keys: str, **options: Any) -> Erasure:
        """Ask, and run it."""
        return await self.run(await self.ask(*keys, **options))

    async def get(self, erasure_id: str) -> Erasure:
        """The erasure as the API shows it."""
        return await get_erasure(self.database.steward(), erasure_id)

    async def receipt(self, erasure_id: str) -> Receipt:
        """Its receipt."""
        return await get_receipt(self.database.steward(), erasure_id)

    def database_admin(self) -> "psycopg.Connection[Any]":
        """An autocommit connection of the superuser."""
        return psycopg.connect(self.settings.database_url or "", autocommit=True)

    def find_bytes(self, *values: str) -> set[str]:
        """Which of these values lie anywhere in Postgres' files or the home; a plain search, none of the app's code.

        Other databases of the cluster are other tests'.
        """
        with self.database_admin() as connection:
            connection.execute("checkpoint")
            own = connection.execute("select oid::text from pg_database where datname = current_database()")
            name = str((own.fetchone() or [""])[0])
        base = self.data / "base"
        found = set()
        for folder in (self.data, self.settings.home):
            for path in folder.rglob("*"):
                if path.is_file() and not (base in path.parents and path.parent.name != name):
                    content = path.read_bytes()
                    found |= {value for value in values if value.encode() in content}
        return found

    def own_bytes(self, number: int) -> list[str]:
        """Values of a person that nobody else has."""
        row = self.rows[number - 1]
        return [row[c] for c in ("emailaddress", "username", "telephonenumber") if len(row[c]) > 5]


def to_csv(rows: Sequence[dict[str, str]]) -> str:
    """A CSV of these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def make_people(count: int = COUNT) -> list[dict[str, str]]:
    """The first people of the fake name generator, or people made up here; some have notes longer than a page."""
    if SOURCE.exists():
        with SOURCE.open(encoding="utf-8-sig", newline="") as file:
            rows = itertools.islice(csv.DictReader(file), count)
            found = [{name.lower(): row[name] for name in KEPT} for row in rows]
    else:
        found = [_make_up(number) for number in range(1, count + 1)]
    for number, row in enumerate(found, 1):
        count = 250 if number % 60 == 0 else 1
        notes = (f"note {n} about {row['username']} is w{number * 31 + n}" for n in range(count))
        row["notes"] = ", ".join(notes)
    return found


def _make_up(number: int) -> dict[str, str]:
    name = f"Person{number:05d}"
    lives = (f"{number} Long Street", f"Town{number % 40}")
    values = (
        str(number),
        name,
        f"Sur{number:05d}",
        *lives,
        f"{name}@example.org",
        f"user-{name}",
        f"0046 {number:08d}",
    )
    return dict(zip(map(str.lower, KEPT), values, strict=True))


@pytest.fixture
async def people(database: Database, settings: Settings, cluster: Any) -> People:
    """2,000 people, an index over them and over a view of some; a reader of each."""
    with cluster.connect() as connection:
        if not cluster.is_superuser():
            pytest.skip("the server's files are read here, and only a superuser knows where they are")
        data = connection.execute("show data_directory").fetchone()
    world = People(database, settings, Path(data[0]), make_people())
    await world.load(to_csv(world.rows))
    view = ViewRequest(
        name="some",
        base_dataset="people",
        columns=["number", "city", "username", "notes"],
        row_filter="number < 1500",
        redactions={"username": RedactionRequest(action="mask", keep_prefix=1)},
    )
    await create_or_update_view(database.steward(), view)
    await world.index("people", "username", "city", "notes")
    await world.index("some", "username", "city")
    for profile, relation in (("raw", "people"), ("masked", "some")):
        request = ProfileRequest(id=profile, bound_datasets=[relation], access_role="admin")
        await create_or_update_profile(database.steward(), request)
    return world
