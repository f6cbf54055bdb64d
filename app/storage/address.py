"""Where a bucket is: a setting's URL, read once and checked."""

from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec

from app.errors import SettingsError
from app.secrets import check_secret_ref
from app.settings import BucketSettings
from app.storage.credentials import Scheme


class Address(msgspec.Struct, frozen=True):
    """A bucket's place as plain data: it can be sent to another process. `container` is empty for a folder."""

    name: str
    scheme: Scheme
    container: str
    #: The folder's absolute path, or the prefix within the container; without a slash at its end.
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    allow_http: bool = False
    secret_ref: str | None = None
    #: Read from `secret_ref` already, for a process that cannot read it itself.
    credentials: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Without credentials."""
        return f"Address({self.name}, {self.url})"

    @property
    def url(self) -> str:
        """What people know it by; no secret is part of it."""
        if self.scheme == "file":
            return f"file://{self.prefix}"
        return f"{self.scheme}://{self.container}" + (f"/{self.prefix}" if self.prefix else "")


def parse_address(bucket: BucketSettings, home: Path) -> Address:
    """The bucket's address; a path that is not absolute is one below `home`. Nothing is read or reached yet.

    Raises:
        SettingsError: naming the bucket: the URL or the secret's reference cannot be used.
    """
    try:
        parts = urlsplit(bucket.url)
        user = parts.username or parts.password
    except ValueError as exc:
        raise _bad(bucket, "its url cannot be read") from exc
    if user or parts.query or parts.fragment:
        # the url is shown to people; it is not repeated here, for it may hold a secret
        raise _bad(
            bucket, "its url may have no credentials, query or fragment; credentials are for secret_ref"
        )
    if bucket.secret_ref is not None:
        check_secret_ref(bucket.secret_ref)
    if parts.scheme == "file" or not parts.scheme:
        return _parse_folder(bucket, home)
    if parts.scheme not in ("s3", "gs", "az"):
        raise _bad(
            bucket, f"its url must begin with file://, s3://, gs:// or az://, not {parts.scheme[:20]}://"
        )
    prefix = parts.path.strip("/")
    if not parts.netloc or any(segment in ("", ".", "..") for segment in prefix.split("/") if prefix):
        raise _bad(bucket, f"its url must be {parts.scheme}://bucket or {parts.scheme}://bucket/prefix")
    _check_endpoint(bucket)
    return Address(
        name=bucket.name,
        scheme=cast(Scheme, parts.scheme),
        container=parts.netloc,
        prefix=prefix,
        endpoint=bucket.endpoint,
        region=bucket.region,
        allow_http=bucket.allow_http,
        secret_ref=bucket.secret_ref,
    )


def _parse_folder(bucket: BucketSettings, home: Path) -> Address:
    if bucket.secret_ref or bucket.endpoint or bucket.region:
        raise _bad(bucket, "a folder has no secret_ref, endpoint or region")
    path = bucket.url.removeprefix("file://")
    if not path or "\0" in path or ".." in Path(path).parts:
        raise _bad(bucket, "its url must be file:///folder, or file://folder for one below the home")
    folder = home / Path(path).expanduser()
    return Address(name=bucket.name, scheme="file", container="", prefix=str(folder).rstrip("/") or "/")


def _check_endpoint(bucket: BucketSettings) -> None:
    if bucket.endpoint is None:
        return
    scheme = urlsplit(bucket.endpoint).scheme
    if scheme == "http" and not bucket.allow_http:
        raise _bad(
            bucket, "its endpoint is not encrypted; set allow_http = true if that is meant, or use https"
        )
    if scheme not in ("http", "https") or "@" in bucket.endpoint:
        raise _bad(bucket, "its endpoint must be https://host or http://host, without credentials")


def _bad(bucket: BucketSettings, reason: str) -> SettingsError:
    return SettingsError(f"bucket {bucket.name!r}: {reason}")
