"""A server of its own for a run: an embedded home that is removed at the end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from app.db.deployment import Deployment
from app.db.migrate import migrate
from app.db.target import open_target, service_dsn
from app.settings import Settings, load_settings

DATA = Path(os.environ.get("LAKEWARD_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
QUICK = os.environ.get("LAKEWARD_BENCH_QUICK") == "1"


class Home(msgspec.Struct, frozen=True):
    """A migrated home with its server running."""

    settings: Settings
    admin_dsn: str
    service_dsn: str
    deployment: Deployment


@contextmanager
def open_home() -> Iterator[Home]:
    """A new home under the temporary directory."""
    path = Path(tempfile.mkdtemp(prefix="lwb"))
    settings = load_settings({}, home=path)
    target = open_target(settings)
    try:
        deployment = migrate(target.admin_dsn, path)
        yield Home(
            settings=settings,
            admin_dsn=target.admin_dsn,
            service_dsn=service_dsn(settings, target.admin_dsn),
            deployment=deployment,
        )
    finally:
        assert target.server is not None
        target.server.stop("immediate")
        shutil.rmtree(path, ignore_errors=True)
