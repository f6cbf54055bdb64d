"""One JSON call to a provider's server: time limit, retries with backoff, failures that name the way out."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from app.errors import ProviderError, SettingsError
from app.secrets import check_secret_ref, resolve_secret
from app.settings import AnswererSettings, ModelSettings

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

#: The setting whose provider this is, unless somebody says otherwise; messages name it.
EMBED = "models.embed"

#: 128 vectors of 4,096 components as JSON are about 11 MB; what is above this is no answer to our question.
MAX_ANSWER_BYTES = 64 * 1024**2
#: Nobody waits longer for a server that asks for patience with Retry-After; the job's own retry comes later.
MAX_WAIT_S = 30.0
FIRST_WAIT_S = 0.25
#: How many characters of a server's own words a message repeats, and above how many bytes it repeats none.
MAX_SAID, MAX_SAID_BYTES = 300, 64 * 1024
RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class _Failure(NamedTuple):
    """Why one attempt failed, whether another may do better, and how long the server asks to wait."""

    reason: str
    retried: bool = False
    wait_s: float = 0.0


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
            raise ProviderError(f"{self.name}: a text is not Unicode") from exc
        return await self._call("POST", path, content, answer)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    async def _call(self, method: str, path: str, content: bytes | None, answer: type[T]) -> T:
        secret = self._secret()
        attempt = 0
        while isinstance(outcome := await self._attempt(method, path, content, secret), _Failure):
            # Half to all of 0.25 s, 0.5 s, 1 s, ...: callers that failed together do not come back together.
            backoff = FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1.0)
            wait_s = max(outcome.wait_s, min(backoff, MAX_WAIT_S))
            if not outcome.retried or wait_s > MAX_WAIT_S or attempt >= self._settings.retries:
                raise self._error(outcome, secret)
            await asyncio.sleep(wait_s)
            attempt += 1
        return self._decode(outcome, answer)

    async def _attempt(
        self, method: str, path: str, content: bytes | None, secret: str | None
    ) -> bytes | _Failure:
        # 0.3 to 0.5 s, and the default provider never needs it
        import httpx  # noqa: PLC0415

        client = self._open_client()
        if isinstance(client, _Failure):
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
            return _broken(exc, timeout_s)

    async def stream(self, path: str, body: dict[str, Any]) -> AsyncGenerator[str, None]:
        """The lines of the answer to POST `path`, as they come. The call ends when nobody asks for more.

        Raises:
            ProviderError: as `post`, but nothing is tried again; or no line within the time limit.
        """
        import httpx  # noqa: PLC0415  (as above)

        client, secret = self._open_client(), self._secret()
        if isinstance(client, _Failure):
            raise self._error(client, secret)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        timeout_s, size = self._settings.timeout_s, 0
        try:
            async with AsyncExitStack() as open_calls:
                async with asyncio.timeout(timeout_s):
                    call = client.stream("POST", self._url + path, json=body, headers=headers)
                    response = await open_calls.enter_async_context(call)
                    if response.status_code != 200:
                        failure = await _read(response, self._hidden(secret))
                        raise self._error(failure, secret)
                lines = response.aiter_lines()
                while True:
                    async with asyncio.timeout(timeout_s):
                        line = await anext(lines, None)
                    if line is None:
                        return
                    size += len(line)
                    if size > MAX_ANSWER_BYTES:
                        raise self._error(
                            _Failure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes"), secret
                        )
                    yield line
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            raise self._error(_broken(exc, timeout_s), secret) from exc

    def _error(self, failure: "_Failure | bytes", secret: str | None) -> ProviderError:
        reason = failure.reason if isinstance(failure, _Failure) else "an answer that is not one"
        return ProviderError(self._say(_redact(reason, self._hidden(secret))))

    def _say(self, reason: str) -> str:
        return f"{self.name}: {reason.replace(EMBED, self._setting)}"

    def _open_client(self) -> "httpx.AsyncClient | _Failure":
        import httpx  # noqa: PLC0415  (as above)

        if self._closed:
            return _Failure("it was closed")
        if self._client is None:
            try:
                self._client = httpx.AsyncClient(timeout=None, follow_redirects=False)
            except (ImportError, OSError, ValueError, httpx.InvalidURL) as exc:
                # Not repeated: the URL of a proxy may hold a password.
                return _Failure(
                    f"the environment's proxy or certificates cannot be used ({type(exc).__name__}); "
                    "check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (no SOCKS) and SSL_CERT_FILE, SSL_CERT_DIR"
                )
        return self._client

    def _decode(self, body: bytes, answer: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise ProviderError(
                self._say(
                    f"the answer is not what this provider sends ({exc}); "
                    "check models.embed.url and models.embed.provider"
                )
            ) from exc

    def _secret(self) -> str | None:
        if self._settings.secret_ref is None:
            return None
        try:
            return resolve_secret(self._settings.secret_ref)
        except SettingsError as exc:
            raise ProviderError(f"{self.name}: {exc.message}") from exc

    def _hidden(self, secret: str | None) -> tuple[str, ...]:
        return tuple(value for value in (secret, self._password) if value)


def _broken(exc: Exception, timeout_s: float) -> _Failure:
    import httpx  # noqa: PLC0415  (as above)

    if isinstance(exc, TimeoutError):
        return _Failure(f"no answer within {timeout_s:g} s; raise models.embed.timeout_s or check the server")
    reason = str(exc) or type(exc).__name__
    if isinstance(exc, httpx.NetworkError | httpx.RemoteProtocolError):
        return _Failure(f"the connection failed ({reason}); is it running? check models.embed.url", True)
    return _Failure(f"the call failed ({reason}); check models.embed.url")


async def _read(response: "httpx.Response", hidden: tuple[str, ...]) -> bytes | _Failure:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            return _Failure(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
    if response.status_code == 200:
        return bytes(body)
    said = _quote(bytes(body), hidden)
    return _failure(response.status_code, said, response.headers.get("Retry-After"))


def _quote(body: bytes, hidden: tuple[str, ...]) -> str:
    """The beginning of what a server said, without the secrets. Redacted before it is cut: the cut may fall
    inside a secret, and half of one is recognised by nobody."""
    if len(body) > MAX_SAID_BYTES:
        return ""
    text = body.decode("utf-8", "replace")
    # JSON is written anew, so that a secret has one spelling: a server may escape any character of it.
    with suppress(msgspec.DecodeError, RecursionError):
        text = msgspec.json.encode(msgspec.json.decode(text)).decode()
    text = _redact(text, hidden)[: 2 * MAX_SAID]
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_SAID].strip()


def _redact(text: str, hidden: tuple[str, ...]) -> str:
    for secret in hidden:
        for spelling in (secret, msgspec.json.encode(secret).decode()[1:-1]):
            text = text.replace(spelling, "***")
    return text


def _failure(status: int, said: str, retry_after: str | None) -> _Failure:
    if status in (401, 403):
        # The body is left out: servers repeat part of the key in it.
        return _Failure(f"status {status}: the key was refused; check models.embed.secret_ref")
    reason = f"status {status}{': ' + said if said else ''}"
    if status == 404:
        reason += "; check models.embed.url and models.embed.model"
    return _Failure(reason, status in RETRIED_STATUS, _seconds(retry_after))


def _seconds(retry_after: str | None) -> float:
    """RFC 9110 10.2.3: a number of seconds or a date; what is neither asks for nothing."""
    if retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0


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
