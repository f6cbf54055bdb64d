import asyncio
import json
import socket
import time
from contextlib import aclosing, suppress
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from app.errors import ProviderError, SettingsError
from app.models import http
from app.models.http import ProviderClient
from app.settings import ModelSettings

KEY = "sk-very-secret-0123456789"


class Ok(msgspec.Struct):
    ok: bool


def call(url: str, **settings: Any) -> Ok:
    """One POST of a new client."""

    async def run() -> Ok:
        client = ProviderClient(ModelSettings(provider="openai", url=url, **settings), "http://unused")
        try:
            return await client.post("/x", {"q": 1}, Ok)
        finally:
            await client.close()

    return asyncio.run(run())


def failure(url: str, **settings: Any) -> str:
    with pytest.raises(ProviderError) as caught:
        call(url, **settings)
    return caught.value.message


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(http, "FIRST_WAIT_S", 0.01)


def test_an_answer_is_decoded_and_the_key_is_sent_as_a_bearer(server, monkeypatch):
    monkeypatch.setenv("LW_KEY", KEY)
    server.then({"ok": True, "more": 1})
    assert call(server.url + "/v1/", secret_ref="env:LW_KEY") == Ok(True)
    (seen,) = server.requests
    assert (seen.method, seen.path, seen.body) == ("POST", "/v1/x", {"q": 1})
    assert seen.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_trouble_is_retried(server, status):
    server.then(b"busy", status=status).then({"ok": True})
    assert call(server.url) == Ok(True)
    assert len(server.requests) == 2


def test_a_connection_that_is_cut_is_retried(server):
    server.then({"ok": True}, cut=True).then({"ok": True})
    assert call(server.url) == Ok(True)


def test_retries_end(server):
    server.then(b"oh no", status=500)
    assert "status 500: oh no" in failure(server.url, retries=2)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 501])
def test_what_will_not_pass_is_not_retried(server, status):
    server.then(b"no", status=status, headers={"Location": "http://127.0.0.1:1/"})
    assert f"status {status}" in failure(server.url)
    assert len(server.requests) == 1


def test_retry_after_is_waited_for(server):
    server.then(b"", status=429, headers={"Retry-After": "1"}).then({"ok": True})
    call(server.url)
    assert server.requests[1].at - server.requests[0].at >= 1.0


@pytest.mark.parametrize("as_date", [False, True])
def test_a_server_that_asks_for_an_hour_is_not_waited_for(server, as_date):
    after = formatdate(time.time() + 3600, usegmt=True) if as_date else "3600"
    server.then(b"", status=429, headers={"Retry-After": after})
    begun = time.monotonic()
    assert "status 429" in failure(server.url)
    assert time.monotonic() - begun < 2
    assert len(server.requests) == 1


def test_a_server_that_asks_for_longer_than_the_call_may_take_is_not_waited_for(server):
    """Who asked with timeout_s = 1 is told at once, not in 29 s."""
    server.then(b"", status=503, headers={"Retry-After": "29"})
    begun = time.monotonic()
    message = failure(server.url, timeout_s=1, retries=1)
    assert "status 503; it asks for 29 s of patience" in message and "models.embed.timeout_s" in message
    assert time.monotonic() - begun < 1
    assert len(server.requests) == 1


def test_the_waits_of_a_call_are_no_longer_than_its_limit_in_all(server):
    server.then(b"", status=503, headers={"Retry-After": "1"})
    begun = time.monotonic()
    assert "it asks for 1 s" in failure(server.url, timeout_s=1.5, retries=5)
    assert time.monotonic() - begun < 2
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "after", ["", "soon", "-5", "²", "Wed, 99 Foo 20", formatdate(0, usegmt=True), "9" * 400]
)
def test_an_odd_retry_after_breaks_nothing(server, after):
    server.then(b"", status=500, headers={"Retry-After": after.encode().decode("latin-1")})
    assert "status 500" in failure(server.url, retries=1)


def test_a_slow_server_is_given_up(server):
    server.then({"ok": True}, delay_s=1.0)
    assert "no answer within 0.2 s" in failure(server.url, timeout_s=0.2)
    assert len(server.requests) == 1


def test_a_server_that_drips_is_given_up(server):
    server.then({"ok": True}, drip_s=0.1)
    begun = time.monotonic()
    assert "no answer within 0.3 s" in failure(server.url, timeout_s=0.3)
    assert time.monotonic() - begun < 2


def test_an_endless_answer_is_given_up(server, monkeypatch):
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1000)
    server.then(b" " * 100_000)
    assert "larger than 1000 bytes" in failure(server.url)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b'{"ok": tru', b'{"ok": 1}', b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"ok":NaN}'],
)
def test_an_answer_of_another_kind_is_a_provider_error(server, body):
    server.then(body)
    assert "is not what this provider sends" in failure(server.url)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_a_lie_about_the_encoding_is_a_provider_error(server, encoding):
    server.then(b"not compressed at all", headers={"Content-Encoding": encoding})
    assert server.url in failure(server.url)


def test_nobody_listening_names_the_server_without_credentials():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    message = failure(f"http://me:pa55word@127.0.0.1:{port}/v1", retries=1)
    assert message.startswith(f"openai at http://127.0.0.1:{port}/v1: the connection failed")
    assert "pa55word" not in message
    assert "models.embed.url" in message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_the_key_is_in_no_message(server, monkeypatch, status):
    monkeypatch.setenv("LW_KEY", KEY)
    server.then({"error": f"Incorrect API key provided: {KEY}\r\nX"}, status=status)
    message = failure(server.url, secret_ref="env:LW_KEY", retries=0)
    assert KEY not in message
    if status in (401, 403):
        assert "models.embed.secret_ref" in message
        assert "Incorrect" not in message


@pytest.mark.parametrize("key", [KEY, 'sk-"quoted\\/0123456789'])
@pytest.mark.parametrize(
    "said",
    [
        lambda key: b"x" * 285 + b" " + key.encode(),
        lambda key: (key + " ").encode() * 80 + b"y" * 100 + key.encode(),
        lambda key: b'{"error": "%s"}' % "".join(rf"\u{ord(c):04x}" for c in key).encode(),
        lambda key: json.dumps({"error": ["é" * 280, key]}).encode(),
        lambda key: json.dumps(f"no: {key}").encode(),
        lambda key: b"z" * 70_000 + key.encode(),
    ],
    ids=["at the cut", "often", "escaped", "in JSON", "a JSON string", "long"],
)
def test_no_part_of_the_key_is_in_a_message(server, monkeypatch, said, key):
    monkeypatch.setenv("LW_KEY", key)
    server.then(said(key), status=400)
    message = failure(server.url, secret_ref="env:LW_KEY", retries=0)
    assert "status 400" in message
    assert not any(part in message for part in ("sk-", "0123456789", r"\u00"))


@pytest.mark.parametrize(
    "environment", [{"ALL_PROXY": "socks5://u:pa55word@h:1"}, {"SSL_CERT_FILE": "/no/such/file"}]
)
def test_an_environment_that_cannot_be_used_is_a_provider_error(server, monkeypatch, environment):
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    message = failure(server.url)
    assert next(iter(environment)) in message
    assert "pa55word" not in message


def test_credentials_in_the_url_and_a_key_exclude_each_other():
    with pytest.raises(SettingsError, match="secret_ref") as caught:
        ProviderClient(ModelSettings(url="http://me:pa55word@h/", secret_ref="env:X"), "")
    assert "pa55word" not in caught.value.message


def test_a_missing_key_is_a_provider_error_when_it_is_needed(server, monkeypatch):
    monkeypatch.delenv("LW_KEY", raising=False)
    assert "env:LW_KEY is not set" in failure(server.url, secret_ref="env:LW_KEY")
    assert not server.requests


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:11434",
        "ftp://host",
        "http://",
        "http://h:99999",
        "http://h:x",
        "http://h/?k=v",
        "http://[::1",
        "http://h\n/",
        "http://h o/",
        "http://\udc80/",
    ],
)
def test_a_url_that_cannot_be_called_is_refused_at_once(url):
    with pytest.raises(SettingsError, match=r"models\.embed\.url"):
        ProviderClient(ModelSettings(provider="ollama", url=url), "")


def test_a_closed_client_calls_nobody(server):
    async def run() -> None:
        client = ProviderClient(ModelSettings(url=server.url), "")
        await client.close()
        await client.post("/x", {}, Ok)

    with pytest.raises(ProviderError, match="closed"):
        asyncio.run(run())
    assert not server.requests


def test_a_text_that_is_not_unicode_is_a_provider_error(server):
    async def run() -> None:
        await ProviderClient(ModelSettings(url=server.url), "").post("/x", {"q": "\ud800"}, Ok)

    with pytest.raises(ProviderError, match="Unicode"):
        asyncio.run(run())


def stream(forever: bytes, *, first: bytes = b"", wait_s: float = 0.0, **settings: Any) -> list[str]:
    """The lines of a server that says `first` and then one thing for ever, until the client hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + first)
            while forever:
                writer.write(forever)
                await writer.drain()
                await asyncio.sleep(wait_s)
        writer.close()

    async def run() -> list[str]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as running:
            url = f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"
            client = ProviderClient(ModelSettings(provider="openai", url=url, **settings), "")
            try:
                async with asyncio.timeout(10), aclosing(client.stream("/x", {"q": 1})) as lines:
                    return [line async for line in lines]
            finally:
                await client.close()

    return asyncio.run(run())


def test_a_stream_is_cut_into_lines_however_it_arrives():
    said = "data: a\u2028b\x85c\r\n\r\ndata: \u00fc\rdata: d".encode()
    assert [line for line in stream(b"", first=said) if line] == [
        "data: a\u2028b\x85c",
        "data: \u00fc",
        "data: d",
    ]


def test_a_line_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1_000_000)
    with pytest.raises(ProviderError, match="larger than 1000000 bytes"):
        stream(b"x" * 10_000, timeout_s=3)


@pytest.mark.parametrize("ping", [b": ping\n", b"\n"])
def test_a_server_that_only_says_it_is_there_is_given_up(monkeypatch, ping):
    monkeypatch.setattr(http, "STREAM_LIMITS", 2)
    begun = time.monotonic()
    with pytest.raises(ProviderError, match=r"no end within 1 s, 2 times models\.embed\.timeout_s"):
        stream(ping, wait_s=0.05, timeout_s=0.5)
    assert time.monotonic() - begun < 5


def test_a_server_that_falls_silent_is_given_up():
    with pytest.raises(ProviderError, match=r"no answer within 0\.3 s"):
        stream(b"x", wait_s=0.05, first=b"a\n", timeout_s=0.3)


def told(url: str, **settings: Any) -> tuple[str, str]:
    """What admins and readers are told."""
    with pytest.raises(ProviderError) as caught:
        call(url, retries=0, model="llama3", **settings)
    return caught.value.message, caught.value.for_readers


def test_readers_are_told_neither_the_address_nor_the_servers_words(server):
    server.then(b"no space on /srv/models at gpu7.internal", status=500)
    full, general = told(server.url + "/internal/path")
    assert server.url + "/internal/path" in full and "gpu7.internal" in full
    assert general == "the model llama3 gave no usable answer: status 500"


@pytest.mark.parametrize(
    ("answer", "settings", "why"),
    [
        ({"status": 404}, {}, "status 404"),
        ({"status": 401}, {}, "status 401"),
        ({"body": b"gpu7"}, {}, "it is not what this provider sends"),
        ({"delay_s": 1.0}, {"timeout_s": 0.2}, "no answer within 0.2 s"),
        ({"cut": True, "body": b"gpu7 gpu7"}, {}, "the connection failed"),
        ({}, {"secret_ref": "env:LW_ABSENT"}, "its key cannot be read"),
    ],
)
def test_readers_are_told_what_happened_in_general_words(server, answer, settings, why):
    server.then(**answer)
    assert told(server.url, **settings)[1] == f"the model llama3 gave no usable answer: {why}"
