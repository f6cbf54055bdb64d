"""Which Lakeward a command talks to, and with which key."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from app.db.home_lock import find_owner
from app.errors import InvalidInputError, UnauthenticatedError
from app.settings import Settings


class Address(msgspec.Struct, frozen=True):
    """Where the API is, without a slash at the end. `key` is None when there is none that may be sent there.

    `named`: somebody said that it is this one; it was not found by way of the home.
    """

    url: str
    key: str | None
    named: bool = False

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return _is_loopback(urlsplit(self.url).hostname or "")


def api_url(settings: Settings) -> str:
    """Where a client on this machine finds the API."""
    host = settings.api.host if settings.api.host not in ("0.0.0.0", "::") else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.api.port}"


def find_address(
    settings: Settings, url: str | None = None, environ: Mapping[str, str] | None = None
) -> Address:
    """The server: `url`, else LAKEWARD_URL, else the one that runs on the home, else the settings' host and port.

    The key: LAKEWARD_API_KEY, else the home's admin.key, which goes to a server that was named with `url` or
    LAKEWARD_URL only when that is on this machine: an admin's key is not for whoever is at the other end of a typo.

    Raises:
        InvalidInputError: a URL that is none.
        UnauthenticatedError: the home has a key, and this user may not read it.
    """
    environ = os.environ if environ is None else environ
    named = url or environ.get("LAKEWARD_URL")
    owner = None if named else find_owner(settings.home)
    base = _checked(named) if named else owner.url if owner else api_url(settings)
    key = environ.get("LAKEWARD_API_KEY", "").strip() or None
    if key is None and (not named or Address(url=base, key=None).is_local):
        key = _read_key(settings)
    return Address(url=base, key=key, named=bool(named))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInputError(f"{url[:200]!r} is no URL of a server; one looks like http://127.0.0.1:8642")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_key(settings: Settings) -> str | None:
    path = settings.admin_key_file
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise UnauthenticatedError(
            f"{path} cannot be read as who you are; set LAKEWARD_API_KEY to a key of yours"
        ) from exc
