"""The HTTP client of the commands: JSON in and out, problem documents as the errors they are."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import quote

import httpx

from app.cli.address import Address
from app.errors import (
    InternalError,
    InvalidInputError,
    InvalidNameError,
    LakewardError,
    TimeoutExceededError,
    UnavailableError,
)

CONNECT_S = 5.0
READ_S = 60.0
#: What works while the caller waits: loading a file of 64 MB, building a profile's HNSW variants.
LONG_S = 6 * 3600.0


class Api:
    """One server, one key; `profile` acts as that reader."""

    def __init__(self, address: Address, *, profile: str | None = None) -> None:
        self.address = address
        headers = {"Accept": "application/json"}
        if address.key:
            headers["X-API-Key"] = _header(address.key, "the API key")
        if profile is not None:
            headers["X-Lakehouse-Profile"] = _header(profile, "the profile's name")
        self._http = httpx.Client(
            base_url=address.url,
            headers=headers,
            timeout=httpx.Timeout(READ_S, connect=CONNECT_S),
            # a proxy for the outer world does not know this machine
            trust_env=not address.is_local,
        )

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, *, read_s: float = READ_S, **query: Any) -> Any:
        """The answer's JSON; query parameters that are None are left out."""
        return self._send("GET", path, params=_present(query), timeout=_timeout(read_s))

    def list_all(self, path: str, **query: Any) -> dict[str, Any]:
        """All pages of a list as one: `{items, next_cursor: null}`."""
        items: list[Any] = []
        cursor: str | None = None
        while True:
            page = self.get(path, **query, cursor=cursor)
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return {"items": items, "next_cursor": None}

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, read_s: float = READ_S) -> Any:
        """The answer's JSON to a JSON body; fields that are None are left out."""
        return self._send("POST", path, json=_present(body or {}), timeout=_timeout(read_s))

    def patch(self, path: str, body: Mapping[str, Any], *, read_s: float = READ_S) -> Any:
        """The answer's JSON to a JSON body with what is to be changed."""
        return self._send("PATCH", path, json=_present(body), timeout=_timeout(read_s))

    def delete(self, path: str) -> Any:
        """The answer's JSON."""
        return self._send("DELETE", path)

    def upload(
        self,
        path: str,
        file: IO[bytes] | io.FileIO,
        name: str,
        fields: Mapping[str, Any],
        *,
        bucket: str | None = None,
        **query: Any,
    ) -> Any:
        """The answer's JSON to a multipart form whose `file` is read while it is sent; `bucket`: where it goes."""
        safe = name.encode("utf-8", "replace").decode()
        return self._send(
            "POST",
            path,
            params=_present(query),
            data=_present(fields),
            files={"file": (safe, file, "application/octet-stream")},
            headers={"X-Lakehouse-Bucket": _header(bucket, "the bucket's name")} if bucket else {},
            timeout=_timeout(LONG_S),
        )

    def put_stream(self, path: str, content: Iterator[bytes], *, size: int | None = None) -> Any:
        """The answer's JSON to a body that is read while it is sent; `size` in bytes, when it is known."""
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        return self._send("PUT", path, content=content, headers=headers, timeout=_timeout(LONG_S))

    @contextmanager
    def fetch(self, path: str) -> Iterator[httpx.Response]:
        """A file of the API, to be read piece by piece as it is."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        with self._failures(), self._http.stream("GET", path, headers=headers) as response:
            if response.is_error:
                response.read()
                raise to_error(response)
            yield response

    @contextmanager
    def download(self, path: str, body: Mapping[str, Any], accept: str) -> Iterator[httpx.Response]:
        """The answer to a JSON body, to be read piece by piece."""
        with (
            self._failures(),
            self._http.stream(
                "POST", path, json=_present(body), headers={"Accept": accept}, timeout=_timeout(LONG_S)
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise to_error(response)
            yield response

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        with self._failures():
            response = self._http.request(method, path, **arguments)
        if not response.is_success:
            raise to_error(response)
        try:
            return response.json()
        except ValueError as exc:
            raise InternalError(f"{self.address.url} answers, but it is no Lakeward") from exc

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as exc:
            raise UnavailableError(
                f"no Lakeward is running at {self.address.url}; start one with: lakeward up"
            ) from exc
        except httpx.TimeoutException as exc:
            raise TimeoutExceededError(f"{self.address.url} did not answer in time") from exc
        except UnicodeEncodeError as exc:
            raise InvalidInputError(
                "an argument is no UTF-8, so it cannot be sent; is the terminal set to another encoding?"
            ) from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise UnavailableError(f"the connection to {self.address.url} broke: {exc}") from exc


def segment(name: str) -> str:
    """A name as one segment of a path.

    Raises:
        InvalidNameError: it cannot be one.
    """
    if name in ("", ".", "..") or "/" in name:
        raise InvalidNameError(f"{name[:100]!r} cannot be a name")
    return quote(name.encode("utf-8", "replace"), safe="")


def to_error(response: httpx.Response) -> LakewardError:
    """The error that a problem document stands for, with what helps in its message; the document is `extra`."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "detail" not in problem:
        return InternalError(
            f"{response.url.copy_with(query=None)} answered {response.status_code} {response.reason_phrase}, "
            "and not in Lakeward's words; is something else at that address?"
        )
    message = str(problem["detail"])
    allowed = problem.get("allowed_bindings")
    if allowed and not all(str(name) in message for name in allowed):
        message += f"; allowed: {', '.join(map(str, allowed))}"
    if problem.get("line") is not None and "line" not in message:
        message += f" (line {problem['line']})"
    if response.status_code == 401:
        message += "; the commands read the key from LAKEWARD_API_KEY or the home's admin.key"
    kind = _KINDS.get(str(problem.get("code")), LakewardError)
    return kind(message, problem=problem)


def _kinds(kind: type[LakewardError]) -> Iterator[type[LakewardError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


_KINDS = {kind.code: kind for kind in _kinds(LakewardError)}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(READ_S, connect=CONNECT_S, read=read_s)


def _header(value: str, what: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise InvalidNameError(f"{what} has characters that it cannot have")
    return value
