"""What a bucket's secret may look like, and what of it the object store is told."""

import re
from typing import Any, Literal

import msgspec

from app.errors import SettingsError
from app.secrets import read_secret

Scheme = Literal["file", "s3", "gs", "az"]

#: What each kind of store takes, and what else it is called in files that people have.
_NAMES: dict[Scheme, dict[str, str]] = {
    "file": {},
    "s3": {
        "access_key_id": "access_key_id",
        "access_key": "access_key_id",
        "secret_access_key": "secret_access_key",
        "secret_key": "secret_access_key",
        "session_token": "session_token",
    },
    "gs": {"service_account_key": "service_account_key"},
    "az": {
        "account_name": "account_name",
        "account_key": "account_key",
        "access_key": "account_key",
        "sas_key": "sas_key",
        "client_id": "client_id",
        "client_secret": "client_secret",
        "tenant_id": "tenant_id",
    },
}
_PAIR: dict[Scheme, tuple[str, str]] = {
    "s3": ("access_key_id", "secret_access_key"),
    "az": ("account_name", "account_key"),
}
_PREFIX = re.compile(r"^(aws|google|azure_storage|azure)_")


def read_credentials(reference: str, scheme: Scheme) -> dict[str, str]:
    """The credentials behind a reference, read now, by the object store's names.

    The secret is a JSON object, lines of `name = value`, or `ACCESS:SECRET` (s3), `ACCOUNT:KEY` (az); for gs a
    service account's JSON.

    Raises:
        SettingsError: naming the reference, never the secret: it cannot be read, or is none of these.
    """
    text = read_secret(reference)
    found = (
        _from_json(text, scheme) if text.startswith("{") else _from_lines(text) or _from_pair(text, scheme)
    )
    known = _NAMES[scheme]
    credentials: dict[str, str] = {}
    for name, value in (found or {}).items():
        name = _PREFIX.sub("", name.lower())
        if name not in known or not value:
            raise _unusable(reference, scheme)
        credentials[known[name]] = value
    if not credentials:
        raise _unusable(reference, scheme)
    return credentials


def _from_json(text: str, scheme: Scheme) -> dict[str, str] | None:
    try:
        found: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    if scheme == "gs" and "client_email" in found:
        return {"service_account_key": text}
    return {name: value if isinstance(value, str) else "" for name, value in found.items()}


def _from_lines(text: str) -> dict[str, str] | None:
    pairs: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith(("#", ";", "[")):
            continue
        found = re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", line)
        if found is None or found[1] in pairs:
            return None
        pairs[found[1]] = found[2]
    return pairs


def _from_pair(text: str, scheme: Scheme) -> dict[str, str] | None:
    first, colon, second = text.partition(":")
    if scheme not in _PAIR or not colon or not re.fullmatch(r"[!-~]+", text):
        return None
    return dict(zip(_PAIR[scheme], (first, second), strict=True))


def _unusable(reference: str, scheme: Scheme) -> SettingsError:
    names = ", ".join(sorted(set(_NAMES[scheme].values()))) or "nothing"
    return SettingsError(
        f"the secret {reference} is no credential of a {scheme} bucket: it must be JSON or lines of name = value "
        f"with {names}" + (", or ACCESS:SECRET" if scheme in _PAIR else "")
    )
