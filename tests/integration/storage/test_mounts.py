"""Profiles' own buckets."""

import pytest

from app.errors import NotFoundError
from app.settings import Settings
from app.storage.faults import Fault
from app.storage.health import Health
from app.storage.models import Warmed
from app.storage.mounts import Mounts
from app.storage.registry import open_buckets


@pytest.fixture
def buckets(tmp_path):
    return open_buckets(Settings(home=tmp_path, profile_root="file://profiles"))


@pytest.fixture
def mounts(buckets, database, world):
    return Mounts(buckets, database)


@pytest.fixture
def world(request, deployed):
    from tests.conftest import seed

    return seed(deployed)


async def test_a_mount_is_there_after_a_restart_and_in_other_processes(mounts, buckets, database, tmp_path):
    activated = await mounts.activate(database.steward(), "alpha")
    assert activated.bucket == "p_alpha" and activated.mounted and "p_alpha" in buckets.names()
    assert (await mounts.activate(database.steward(), "alpha")).mounted, "again is as once"
    elsewhere = open_buckets(Settings(home=tmp_path, profile_root="file://profiles"))
    other = Mounts(elsewhere, database)
    await other.refresh()
    assert "p_alpha" in elsewhere.names()
    assert (await mounts.deactivate(database.steward(), "alpha")).mounted is False
    assert "p_alpha" not in buckets.names() and (tmp_path / "profiles" / "alpha").is_dir()
    await other.refresh()
    assert "p_alpha" not in elsewhere.names()


async def test_a_deleted_profile_has_no_bucket(mounts, buckets, database, admin):
    await mounts.activate(database.steward(), "alpha")
    admin.execute("delete from lakeward.profile where id = 'alpha'")
    await mounts.refresh()
    assert "p_alpha" not in buckets.names()
    with pytest.raises(NotFoundError):
        await mounts.activate(database.steward(), "alpha")


async def test_hooks_are_told_and_one_that_fails_stops_nothing(mounts, database):
    async def warm(profile: str) -> list[Warmed]:
        return [Warmed(kind="export", name=f"{profile}.people", ok=True)]

    async def broken(profile: str) -> list[Warmed]:
        raise RuntimeError("a bug with a secret in it")

    mounts.on_activate += [broken, warm]
    answer = await mounts.activate(database.steward(), "alpha")
    assert [item.name for item in answer.warmed] == ["alpha.people"]
    assert len(answer.failures) == 1 and "secret" not in str(answer.failures[0].detail)


async def test_without_a_profile_root_the_caches_are_told_all_the_same(database, world, tmp_path):
    mounts = Mounts(open_buckets(Settings(home=tmp_path)), database)
    answer = await mounts.activate(database.steward(), "alpha")
    assert answer.bucket is None and answer.mounted is False


async def test_a_bucket_that_is_unmounted_while_it_is_probed(mounts, buckets, database):
    await mounts.activate(database.steward(), "alpha")
    health = Health(buckets)
    buckets.unmount("alpha")
    await health.note("p_alpha", Fault("failed", "x"))
