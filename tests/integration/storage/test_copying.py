"""Copying between buckets: whole, verified, resumable."""

import time

import obstore
import pytest

from app.errors import InternalError
from app.settings import BucketSettings
from app.storage import copying
from app.storage.address import parse_address
from app.storage.bucket import Bucket
from app.storage.copying import Copied, copy_bucket
from app.storage.upload import PART_BYTES

OBJECTS = {
    "a/1": b"one",
    "a/2": b"",
    "ü/日本": b"three" * 1000,
    "large": bytes(range(256)) * (PART_BYTES // 256) + b"and a little more",
    "b": b"x" * 100,
}


@pytest.fixture
def buckets(s3, tmp_path, monkeypatch):
    """A folder with objects, and an empty bucket of S3."""
    monkeypatch.setenv("LW_S", "a:b")
    (tmp_path / "from").mkdir()
    source = Bucket(parse_address(BucketSettings("from", str(tmp_path / "from")), tmp_path))
    url = f"s3://{s3.create(f'copies{time.monotonic_ns()}')}/to"
    settings = BucketSettings("to", url, endpoint=s3.url, secret_ref="env:LW_S", allow_http=True)
    for key, content in OBJECTS.items():
        obstore.put(source.store, key, content)
    return source, Bucket(parse_address(settings, tmp_path))


def contents(bucket):
    return {
        meta["path"]: bytes(obstore.get(bucket.store, meta["path"]).bytes())
        for meta in bucket.store.list().collect()
    }


async def quiet(done, total):
    pass


async def test_everything_arrives_and_again_is_nothing_to_do(buckets):
    source, target = buckets
    reported = []

    async def report(done, total):
        reported.append((done, total))

    done = await copy_bucket(source, target, "", delete=False, report=report)
    size = sum(map(len, OBJECTS.values()))
    assert done == Copied(copied=5, skipped=0, deleted=0, bytes=size)
    assert contents(target) == contents(source) == OBJECTS
    assert reported[0] == (0, size) and reported[-1] == (size, size)
    assert await copy_bucket(source, target, "", delete=False, report=quiet) == Copied(0, 5, 0, 0)
    # and back, where no ETag helps
    obstore.delete(source.store, ["a/1", "large"])
    assert (await copy_bucket(target, source, "", delete=False, report=quiet)).copied >= 2
    assert contents(source) == OBJECTS


async def test_a_prefix_and_delete(buckets):
    source, target = buckets
    assert await copy_bucket(source, target, "a", delete=True, report=quiet) == Copied(2, 0, 2, 3)
    assert set(contents(target)) == {"a/1", "a/2"}
    assert set(contents(source)) == set(OBJECTS) - {"a/1", "a/2"}


async def test_an_object_of_the_same_size_that_is_another_one_is_not_taken_for_copied_when_it_matters(
    buckets,
):
    source, target = buckets
    obstore.put(target.store, "a/1", b"two")
    await copy_bucket(source, target, "", delete=True, report=quiet)
    assert contents(target) == OBJECTS and contents(source) == {}


async def test_a_run_that_broke_off_goes_on_where_it_was(buckets, monkeypatch):
    source, target = buckets
    put, count = copying.put_object, 0

    async def failing(bucket, key, body):
        nonlocal count
        count += 1
        if count > 2:
            raise ConnectionResetError("broken")
        return await put(bucket, key, body)

    monkeypatch.setattr(copying, "put_object", failing)
    with pytest.raises(ConnectionResetError):
        await copy_bucket(source, target, "", delete=True, report=quiet)
    assert contents(source) == OBJECTS, "nothing was deleted before all was copied"
    monkeypatch.undo()
    done = await copy_bucket(source, target, "", delete=True, report=quiet)
    assert (done.copied, done.skipped, done.deleted) == (3, 2, 5)
    assert contents(target) == OBJECTS and contents(source) == {}


async def test_bytes_that_arrive_changed_are_noticed(buckets, monkeypatch):
    source, target = buckets

    async def changing(bucket, key, body):
        async for _ in body.parts():
            pass
        return await obstore.put_async(bucket.store, key, b"y" * body.size)

    monkeypatch.setattr(copying, "put_object", changing)
    with pytest.raises(InternalError, match="nothing was deleted"):
        await copy_bucket(source, target, "b", delete=True, report=quiet)
    assert contents(source) == OBJECTS


async def test_what_is_written_to_the_source_meanwhile_is_not_deleted(buckets):
    source, target = buckets

    async def report(done, total):
        if done == total:
            obstore.put(source.store, "b", b"written after it was copied")

    await copy_bucket(source, target, "b", delete=True, report=report)
    assert contents(source)["b"] == b"written after it was copied"


def test_etags_of_parts():
    digest = copying._Digest(4)
    for chunk in (b"ab", b"cdefg", b"hi"):
        digest.add(chunk)
    import hashlib

    parts = b"".join(hashlib.md5(part).digest() for part in (b"abcd", b"efgh", b"i"))
    assert digest.etags == {hashlib.md5(b"abcdefghi").hexdigest(), hashlib.md5(parts).hexdigest() + "-3"}
