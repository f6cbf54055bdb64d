"""A real S3 server for the session, a TCP proxy in front of it that fails on demand, and an API over both."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec
import pytest

from app.settings import BucketSettings
from tests.integration.api.conftest import Api, serving, settings_for

ACCESS, SECRET = "lakeward-access", "lakeward-secret-word"
Mode = Literal["ok", "refuse", "slow", "cut"]


class S3(msgspec.Struct, frozen=True):
    """A moto server."""

    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def create(self, bucket: str) -> str:
        """A new, empty bucket."""
        assert httpx.put(f"{self.url}/{bucket}", trust_env=False).status_code == 200
        return bucket

    def uploads(self, bucket: str) -> int:
        """Multipart uploads that were begun and neither completed nor aborted."""
        return httpx.get(f"{self.url}/{bucket}?uploads", trust_env=False).text.count("<Upload>")

    def keys(self, bucket: str) -> str:
        """What the bucket itself says that it has."""
        return httpx.get(f"{self.url}/{bucket}?list-type=2", trust_env=False).text


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """The session's S3 server, a process of its own."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            assert process.poll() is None and time.monotonic() < deadline, "moto does not start"
            time.sleep(0.05)
        yield S3(port)
    finally:
        process.terminate()
        process.wait(timeout=10)


class Proxy:
    """A TCP proxy that passes everything on, refuses connections, swallows them, or cuts answers off."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.cut_after = 64 * 1024
        self._target = target
        self._mode: Mode = "refuse"
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.set("ok")

    def set(self, mode: Mode) -> None:
        """From now on; what is open is closed, as when a server dies."""
        self._mode = mode
        if mode == "refuse" and self._listener is not None:
            listener, self._listener = self._listener, None
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        elif mode != "refuse" and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        with client:
            if self._mode == "slow":
                with contextlib.suppress(OSError):
                    while client.recv(65536):
                        pass
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                self._open.add(server)
                threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
                self._pump(server, client, self.cut_after if self._mode == "cut" else None)
                self._open.discard(server)
        self._open.discard(client)

    def _pump(self, source: socket.socket, target: socket.socket, budget: int | None) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if budget is not None:
                    chunk, budget = chunk[:budget], budget - len(chunk)
                target.sendall(chunk)
                if budget is not None and budget <= 0:
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class World(msgspec.Struct, frozen=True):
    """An API with the buckets primary (S3 through the proxy), rescue (S3), folder (local), denied and gone."""

    api: Api
    s3: S3
    proxy: Proxy
    folder: Path

    @property
    def admin(self) -> httpx.Client:
        """The admin's client."""
        return self.api.admin

    def path(self, bucket: str, key: str) -> str:
        """An object's path."""
        return f"/storage/buckets/{bucket}/objects/{key}"

    def heal(self) -> None:
        """Everything works, and the API knows it."""
        self.proxy.set("ok")
        deadline = time.monotonic() + 20
        while True:
            answer = self.admin.get("/storage/bucket-health", params={"fresh": "true"}).json()
            if {"primary", "rescue", "folder"} <= {i["name"] for i in answer["items"] if i["reachable"]}:
                return
            # a check beside a busy test server may time out
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)


@pytest.fixture(scope="module")
def storage_world(
    clone: Callable[[], AbstractContextManager[Any]], s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One such API for a module."""
    stem = f"b{os.getpid()}{time.monotonic_ns()}"
    primary, rescue = s3.create(f"{stem}-primary"), s3.create(f"{stem}-rescue")
    proxy = Proxy(s3.port)
    folder = tmp_path_factory.mktemp("bucket") / "folder"
    os.environ["LW_TEST_BUCKET"] = f"{ACCESS}:{SECRET}"
    common = {"secret_ref": "env:LW_TEST_BUCKET", "allow_http": True, "region": "us-east-1"}
    buckets = (
        BucketSettings("primary", f"s3://{primary}", endpoint=f"http://127.0.0.1:{proxy.port}", **common),
        BucketSettings("rescue", f"s3://{rescue}/copy", endpoint=s3.url, **common),
        BucketSettings("folder", f"file://{folder}"),
        BucketSettings("gone", "s3://no-such-bucket", endpoint=s3.url, **common),
        BucketSettings(
            "denied", f"s3://{primary}", endpoint=s3.url, secret_ref="env:LW_TEST_UNSET", allow_http=True
        ),
    )
    with clone() as deployed:
        settings = msgspec.structs.replace(
            settings_for(deployed),
            buckets=buckets,
            rescue_bucket="rescue",
            profile_root=f"s3://{primary}/profiles",
        )
        with serving(deployed, settings) as api:
            yield World(api, s3, proxy, folder)
    proxy.set("refuse")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(storage_world: World) -> Iterator[World]:
    """The module's API, with everything at work before and after."""
    storage_world.heal()
    yield storage_world
    storage_world.folder.mkdir(exist_ok=True)
    storage_world.heal()
