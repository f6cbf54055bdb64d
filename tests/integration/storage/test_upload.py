"""PUT: all of the body or nothing of it, whatever happens on the way."""

import hashlib
import resource
import socket
import subprocess
import sys
import time

import pytest

from app.storage.upload import PART_BYTES, Body
from tests.integration.api.conftest import problem

MIB = 1024 * 1024


def pieces(size, seed=b"x"):
    chunk = hashlib.sha256(seed).digest() * (MIB // 32)
    for _ in range(size // MIB):
        yield chunk


@pytest.mark.parametrize("bucket", ["folder", "primary"])
@pytest.mark.parametrize("size", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES + 7])
def test_every_size_arrives(world, bucket, size):
    content = (hashlib.sha256(b"size").digest() * (size // 32 + 1))[:size]
    path = world.path(bucket, f"size/{size}")
    answer = world.admin.put(path, content=content)
    assert answer.status_code == 201 and answer.json()["size"] == size, answer.text
    assert world.admin.get(path).content == content
    half = world.admin.get(path, headers={"Range": f"bytes={size // 2}-"})
    assert half.status_code == (206 if size else 416)
    if size:
        assert half.content == content[size // 2 :]
        assert half.headers["content-range"] == f"bytes {size // 2}-{size - 1}/{size}"


@pytest.mark.parametrize("bucket", ["folder", "primary"])
def test_a_body_of_unknown_length_may_be_larger_than_other_requests(world, bucket):
    """max_body_bytes of these tests is 8 MiB: it is for what is read whole."""
    path = world.path(bucket, "streamed")
    answer = world.admin.put(path, content=pieces(20 * MIB))
    assert answer.status_code == 201 and answer.json()["size"] == 20 * MIB, answer.text
    assert world.admin.get(path).content == b"".join(pieces(20 * MIB))


@pytest.mark.parametrize("bucket", ["folder", "primary"])
@pytest.mark.parametrize("sent", [MIB, 20 * MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_goes_away_leaves_nothing(world, bucket, sent, chunked):
    key = f"half-{sent}-{chunked}"
    path = world.path(bucket, key)
    world.admin.put(path, content=b"before")
    host, port = world.api.url.removeprefix("http://").split(":")
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {sent + 5 * MIB}"
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {world.admin.headers['X-API-Key']}\r\n{length}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode())
        for piece in pieces(sent):
            connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if chunked else piece)
    time.sleep(1)
    assert world.admin.get(path).content == b"before"
    world.admin.delete(path)
    listed = world.admin.get(f"/storage/buckets/{bucket}/objects", params={"prefix": "half"}).json()
    assert listed["items"] == []
    if bucket == "folder":
        assert [name for name in world.folder.iterdir() if "half" in name.name] == []
    else:
        container = world.api.settings.buckets[0].url.removeprefix("s3://")
        assert world.s3.uploads(container) == 0, "a multipart upload was not aborted"


@pytest.mark.parametrize("mode", ["refuse", "cut"])
def test_a_bucket_that_dies_during_an_upload(world, mode):
    path = world.path("primary", "dies")

    def body():
        for number, piece in enumerate(pieces(30 * MIB)):
            if number == 12:
                world.proxy.cut_after = 0
                world.proxy.set(mode)
            yield piece

    problem(world.admin.put(path, content=body()), 503, "unavailable")
    world.heal()
    problem(world.admin.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("..%2f..%2fetc%2fpasswd", 400),
        ("%2e%2e/x", 400),
        ("a/%2e%2e/x", 400),
        ("/etc/passwd", 400),
        ("a//b", 400),
        ("a/", 400),
        ("a%00b", 400),
        ("a%5cb", 400),
        ("%ff%fe", 400),
        ("x" * 2000, 400),
        ("x" * 300, 400),
        ("x%231", 400),
    ],
)
def test_hostile_keys_are_refused_as_they_were_sent(world, raw, code):
    """Through a socket: a client library would clean the path first."""
    host, port = world.api.url.removeprefix("http://").split(":")
    head = (
        f"PUT /storage/buckets/folder/objects/{raw} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-API-Key: {world.admin.headers['X-API-Key']}\r\nContent-Length: 1\r\n\r\nx"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert int(answer.split()[1]) == code, answer
    assert b"application/problem+json" in answer and b"invalid_input" in answer


@pytest.mark.parametrize("key", ["ü ñ/日本.txt", "a%20b", "q?x=1", "a+b", "e\u0301", "x/😀", "&<>\"'"])
@pytest.mark.parametrize("bucket", ["folder", "primary"])
def test_unicode_keys_go_through_the_api(world, bucket, key):
    from urllib.parse import quote

    path = world.path(bucket, quote(key))
    assert world.admin.put(path, content=key.encode()).json()["key"] == key
    assert world.admin.get(path).content.decode() == key
    listed = world.admin.get(f"/storage/buckets/{bucket}/objects", params={"prefix": key}).json()
    assert [item["key"] for item in listed["items"]] == [key]
    assert world.admin.delete(path).status_code == 200


def test_a_key_below_an_object_is_a_conflict_in_a_folder(world):
    world.admin.put(world.path("folder", "file"), content=b"x")
    problem(world.admin.put(world.path("folder", "file/under"), content=b"x"), 409, "conflict")
    problem(world.admin.get(world.path("folder", "file/under")), 404, "not_found")


FULL = """
import asyncio, resource, sys
from pathlib import Path
from app.settings import BucketSettings
from app.storage.address import parse_address
from app.storage.bucket import Bucket
from app.storage.faults import find_fault
from app.storage.upload import Body, put_object

async def chunks(size):
    for _ in range(size // 2**20):
        yield b"x" * 2**20

async def main():
    bucket = Bucket(parse_address(BucketSettings("b", sys.argv[1]), Path("/")))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 2**20, 4 * 2**20))
    for size in (6 * 2**20, 30 * 2**20):
        try:
            await put_object(bucket, f"full-{size}", Body(chunks(size), size))
        except Exception as exc:
            print(find_fault(exc).kind)
        else:
            print("written")
asyncio.run(main())
"""


def test_a_full_disk_leaves_nothing(tmp_path):
    """A limit on file sizes fails a write in its middle as a full disk does, and needs no disk."""
    assert resource.RLIMIT_FSIZE is not None
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert run.stdout.split() == ["disk_full", "disk_full"], run.stderr
    assert list(tmp_path.iterdir()) == []


async def test_parts_grow_with_what_was_announced():
    async def nothing():
        return
        yield b""

    assert Body(nothing(), 10).part_bytes == PART_BYTES
    assert Body(nothing(), 5 * 1024**4).part_bytes * 9_999 >= 5 * 1024**4
