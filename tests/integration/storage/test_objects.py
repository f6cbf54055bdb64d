"""Objects of a folder and of S3, without the API: order, pages, ranges."""

import time

import obstore
import pytest

from app.settings import BucketSettings
from app.storage.address import parse_address
from app.storage.bucket import Bucket
from app.storage.objects import RangeError, delete_object, find_object, list_objects, open_object
from app.storage.ranges import ByteRange
from tests.integration.storage.conftest import S3

KEYS = [
    "B",
    "Z/1",
    "aa",
    "a b",
    "a#x",
    "a%2Fb",
    "a%20b",
    "a+b",
    "a/1",
    "a/2",
    "a/b/3",
    "ab",
    "b&<>\"'",
    "e\u0301",
    "z~",
    "é",
    "日本/x",
    "😀",
]


@pytest.fixture(params=["folder", "s3", "s3 with a prefix"])
def bucket(request, s3: S3, tmp_path, monkeypatch):
    monkeypatch.setenv("LW_S", "a:b")
    if request.param == "folder":
        return Bucket(parse_address(BucketSettings("b", str(tmp_path)), tmp_path))
    url = f"s3://{s3.create(f'objects{time.monotonic_ns()}')}" + (
        "/a/pre fix" if "prefix" in request.param else ""
    )
    settings = BucketSettings("b", url, endpoint=s3.url, secret_ref="env:LW_S", allow_http=True)
    return Bucket(parse_address(settings, tmp_path))


@pytest.fixture
def full(bucket):
    for key in KEYS:
        obstore.put(bucket.store, key, key.encode())
    return bucket


async def test_every_key_comes_back_as_it_was(full):
    for key in KEYS:
        opened = await open_object(full, key)
        assert b"".join([chunk async for chunk in opened.chunks]).decode() == key == opened.entry.key


async def test_lists_are_in_order_and_pages_are_whole(full):
    ordered = sorted(KEYS, key=str.encode)
    assert [entry.key for entry in await list_objects(full, "", None, 100)] == ordered
    for size in (1, 3, len(KEYS)):
        found: list[str] = []
        while page := await list_objects(full, "", found[-1] if found else None, size):
            found += [entry.key for entry in page]
        assert found == ordered, size


@pytest.mark.parametrize("prefix", ["a", "a/", "a/b", "A", "é", "日", "日本/", "e", "a%2", "nope/x"])
def test_a_prefix_is_a_prefix_and_no_folder(full, prefix):
    import anyio

    found = anyio.run(list_objects, full, prefix, None, 100)
    assert [entry.key for entry in found] == sorted((k for k in KEYS if k.startswith(prefix)), key=str.encode)


async def test_many_objects_are_paged(bucket):
    for number in range(30):
        obstore.put(bucket.store, f"d/{number:03}", b"x")
    page = await list_objects(bucket, "d/", "d/009", 5)
    assert [entry.key for entry in page] == [f"d/{number:03}" for number in range(10, 15)]


async def test_ranges(bucket):
    obstore.put(bucket.store, "x", b"0123456789")
    for wanted, expected in [
        (ByteRange(0, 0), b"0"),
        (ByteRange(3, 5), b"345"),
        (ByteRange(8, 99), b"89"),
        (ByteRange(7), b"789"),
        (ByteRange(None, suffix=2), b"89"),
        (ByteRange(None, suffix=99), b"0123456789"),
    ]:
        opened = await open_object(bucket, "x", wanted)
        assert b"".join([chunk async for chunk in opened.chunks]) == expected
        assert opened.stop - opened.start == len(expected) and opened.entry.size == 10
    for wanted in (ByteRange(10), ByteRange(10, 20), ByteRange(None, suffix=0)):
        with pytest.raises(RangeError):
            await open_object(bucket, "x", wanted)


async def test_an_empty_object(bucket):
    obstore.put(bucket.store, "empty", b"")
    opened = await open_object(bucket, "empty")
    assert [chunk async for chunk in opened.chunks] == [] and opened.entry.size == 0
    with pytest.raises(RangeError):
        await open_object(bucket, "empty", ByteRange(0, 0))


async def test_what_is_not_there(bucket):
    assert await find_object(bucket, "nope") is None
    with pytest.raises(FileNotFoundError):
        await delete_object(bucket, "nope")
    with pytest.raises(FileNotFoundError):
        await open_object(bucket, "nope")
    assert await list_objects(bucket, "nope/", None, 10) == []
