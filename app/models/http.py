"""One JSON call to a provider's server: time limit, retries with backoff, failures that name the way out."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from app.errors import ProviderError, SettingsError
from app.models.failures import Failure, plan_broken, plan_impatient, plan_refused, redact
from app.secrets import check_secret_ref, resolve_secret
from app.settings import AnswererSettings, ModelSettings

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

#: The setting whose provider this is, unless somebody says otherwise; messages name it.
EMBED = "models.embed"

#: 128 vectors of 4,096 components as JSON are about 11 MB; what is above this is no answer to our question.
MAX_ANSWER_BYTES = 64 * 1024**2
#: Nobody waits longer for a server that asks for patience with Retry-After, nor in all longer than the call's own
#: timeout_s: somebody may be waiting for the answer, and a job's own retry comes later.
MAX_WAIT_S = 30.0
FIRST_WAIT_S = 0.25
#: An answer in pieces may take this many times the limit of a call, which is the limit of each line: ten minutes of the
#: usual sixty seconds, in which a model that writes four tokens a second writes 2,400. A server that only says that it
#: is still there would otherwise be listened to for ever. One setting is enough: who waits longer for the first line
#: waits longer for the last.
STREAM_LIMITS = 10
LINE_ENDS = re.compile(rb"[\r\n]")


class ProviderClient:
    """Calls one server. The secret is read for each call and never part of a message."""

    def __init__(
        self, settings: ModelSettings | AnswererSettings, default_url: str, setting: str = EMBED
    ) -> None:
        """No connection is made yet. `setting` is where `settings` come from, for the messages.

        Raises:
            SettingsError: the URL or the secret's reference cannot be used.
        """
        url = settings.url or default_url
        self._setting = setting
        parts = _check_url(url, setting)
        if settings.secret_ref is not None:
            check_secret_ref(settings.secret_ref)
            if parts.username is not None:
                # httpx makes Basic credentials of them, in the place of the key.
                raise SettingsError(
                    f"{setting}.url holds credentials, and secret_ref is set: use one of them"
                )
        #: How messages name the server: the provider and its URL without credentials.
        self.name = f"{settings.provider} at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._url = url.rstrip("/")
        self._password = parts.password
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._closed = False

    async def get(self, path: str, answer: type[T]) -> T:
        """The decoded answer to GET `path`; errors as `post`."""
        return await self._call("GET", path, None, answer)

    async def post(self, path: str, body: dict[str, Any], answer: type[T]) -> T:
        """The decoded answer to POST `path`. Must be safe to repeat: a connection that breaks is tried again.

        Raises:
            ProviderError: the server is away, refuses, is too slow, or answers something else than `answer`.
        """
        try:
            content = msgspec.json.encode(body)
        except UnicodeEncodeError as exc:
            raise self.fail("a text is not Unicode", "a text is not Unicode") from exc
        return await self._call("POST", path, content, answer)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _call(self, method: str, path: str, content: bytes | None, answer: type[T]) -> T:
        secret = self._secret()
        attempt, waited_s = 0, 0.0
        while isinstance(outcome := await self._attempt(method, path, content, secret), Failure):
            # Half to all of 0.25 s, 0.5 s, 1 s, ...: callers that failed together do not come back together.
            backoff = FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.0)
            wait_s = max(outcome.wait_s, min(backoff, MAX_WAIT_S))
            if not outcome.retried or attempt >= self._settings.retries:
                raise self._error(outcome, secret)
            if wait_s > MAX_WAIT_S or waited_s + wait_s > self._settings.timeout_s:
                raise self._error(plan_impatient(outcome), secret)
            await asyncio.sleep(wait_s)
            attempt, waited_s = attempt + 1, waited_s + wait_s
        return self._decode(outcome, answer)

    async def _attempt(
        self, method: str, path: str, content: bytes | None, secret: str | None
    ) -> bytes | Failure:
        # 0.3 to 0.5 s, and the default provider never needs it
        import httpx  # noqa: PLC0415

        client = self._open_client()
        if isinstance(client, Failure):
            return client
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        timeout_s = self._settings.timeout_s
        try:
            async with (
                asyncio.timeout(timeout_s),
                client.stream(
                    method,
                    self._url + path,
                    content=content,
                    headers={**headers, "Content-Type": "application/json"},
                ) as response,
            ):
                return await _read(response, self._hidden(secret))
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            return plan_broken(exc, timeout_s)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        """The lines of the answer to POST `path`, as they come, some blank. The call ends when nobody asks for more.

        Raises:
            ProviderError: as `post`, but nothing is tried again; no line within the time limit; or no end within
                STREAM_LIMITS times that.
        """
        import httpx  # noqa: PLC0415  (as above)

        timeout_s, secret = self._settings.timeout_s, self._secret()
        ends_at = monotonic() + STREAM_LIMITS * timeout_s
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(timeout_s):
                    response = await self._open_stream(stack, path, body, secret)
                lines = await stack.enter_async_context(aclosing(_split(response)))
                while (left_s := ends_at - monotonic()) > 0:
                    async with asyncio.timeout(min(timeout_s, left_s)):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    if isinstance(line, Failure):
                        raise self._error(line, secret)
                    yield line
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            if not isinstance(exc, TimeoutError) or monotonic() < ends_at:
                raise self._error(plan_broken(exc, timeout_s), secret) from exc
        told = f"the answer has no end within {STREAM_LIMITS * timeout_s:g} s"
        reason = f"{told}, {STREAM_LIMITS} times models.embed.timeout_s; raise it or check the server"
        raise self._error(Failure(reason, told), secret)

    async def _open_stream(
        self, stack: AsyncExitStack, path: str, body: dict[str, Any], secret: str | None
    ) -> "httpx.Response":
        client = self._open_client()
        if isinstance(client, Failure):
            raise self._error(client, secret)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        call = client.stream("POST", self._url + path, json=body, headers=headers)
        response: httpx.Response = await stack.enter_async_context(call)
        if response.status_code != 200:
            read = await _read(response, self._hidden(secret))
            none = Failure("an answer that is not one", "an answer that is not one")
            raise self._error(read if isinstance(read, Failure) else none, secret)
        return response

    def fail(self, reason: str, told: str, kind: type[ProviderError] = ProviderError) -> ProviderError:
        """The error: `reason` after the server's address, for admins and the log; `told` is what readers get."""
        return kind(
            f"{self.name}: {reason.replace(EMBED, self._setting)}",
            for_readers=f"the model {self._settings.model} gave no usable answer: {told}",
        )

    def _error(self, failure: Failure, secret: str | None) -> ProviderError:
        return self.fail(redact(failure.reason, self._hidden(secret)), failure.told)

    def _open_client(self) -> "httpx.AsyncClient | Failure":
        import httpx  # noqa: PLC0415  (as above)

        if self._closed:
            return Failure("it was closed", "it was closed")
        if self._client is None:
            try:
                self._client = httpx.AsyncClient(timeout=None, follow_redirects=False)
            except (ImportError, OSError, ValueError, httpx.InvalidURL) as exc:
                # Not repeated: the URL of a proxy may hold a password.
                return Failure(
                    f"the environment's proxy or certificates cannot be used ({type(exc).__name__}); "
                    "check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (no SOCKS) and SSL_CERT_FILE, SSL_CERT_DIR",
                    "no connection can be made",
                )
        return self._client

    def _decode(self, body: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            told = "it is not what this provider sends"
            reason = f"the answer is not what this provider sends ({exc})"
            raise self.fail(f"{reason}; check models.embed.url and models.embed.provider", told) from exc

    def _secret(self) -> str | None:
        if self._settings.secret_ref is None:
            return None
        try:
            return resolve_secret(self._settings.secret_ref)
        except SettingsError as exc:
            raise self.fail(exc.message, "its key cannot be read") from exc

    def _hidden(self, secret: str | None) -> tuple[str, ...]:
        return tuple(value for value in (secret, self._password) if value)


async def _read(response: "httpx.Response", hidden: tuple[str, ...]) -> bytes | Failure:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            return _too_large()
    if response.status_code == 200:
        return bytes(body)
    return plan_refused(response.status_code, bytes(body), hidden, response.headers.get("Retry-After"))


async def _split(response: "httpx.Response") -> AsyncGenerator[str | Failure, None]:
    """The lines (\\r\\n makes a blank one more), or the failure. What has no end yet counts: a line may have none."""
    rest, size = bytearray(), 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            yield _too_large()
            return
        # only what is new is searched for an end, or a long line would take the square of its length
        first, *others = LINE_ENDS.split(part)
        rest += first
        for other in others:
            yield rest.decode("utf-8", "replace")
            rest = bytearray(other)
    if rest:
        yield rest.decode("utf-8", "replace")


def _too_large() -> Failure:
    return Failure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes", "the answer is too large")


def _check_url(url: str, setting: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    # Not repeated in the message: it may hold a password. urlsplit drops tabs and line ends, so they are asked here.
    if not usable or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise SettingsError(f"{setting}.url must look like https://host:port/path, without ? and #")
    return parts
