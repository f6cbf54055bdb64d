"""The buckets of the settings, and those of profiles that were mounted since."""

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import NotFoundError, SettingsError, UnavailableError
from app.settings import BucketSettings, Settings
from app.storage.address import Address, parse_address
from app.storage.bucket import Bucket

#: The bucket that is always there, unless one of that name is set: a folder of the home.
LOCAL = BucketSettings(name="local", url="file://buckets/local")
log = logging.getLogger(__name__)


class Buckets:
    """Every bucket by its name. The first of the settings is the default, one may be the rescue bucket."""

    def __init__(self, buckets: Iterable[Bucket], *, rescue: str | None, root: Address | None) -> None:
        self._buckets = {bucket.name: bucket for bucket in buckets}
        self._root = root
        self.default = next(iter(self._buckets))
        self.rescue = rescue

    def __repr__(self) -> str:
        """The names."""
        return f"Buckets({', '.join(self._buckets)})"

    def names(self) -> list[str]:
        """As in the settings, then those of profiles."""
        return list(self._buckets)

    def list_buckets(self) -> list[Bucket]:
        """All of them."""
        return list(self._buckets.values())

    def get(self, name: str) -> Bucket:
        """One bucket, whether it answers or not.

        Raises:
            NotFoundError: there is none of this name; the message has the names.
        """
        try:
            return self._buckets[name]
        except KeyError as exc:
            raise NotFoundError(f"no bucket {name[:60]!r}; there are: {', '.join(self._buckets)}") from exc

    def get_for_write(self, name: str) -> Bucket:
        """One bucket to write to. A write may not be lost to a typo, so whoever sends it is told to try again.

        Raises:
            UnavailableError: there is none of this name.
        """
        try:
            return self.get(name)
        except NotFoundError as exc:
            raise UnavailableError(f"{exc.message}; nothing was written", retry_after_s=60) from exc

    def find_rescue(self, name: str) -> Bucket | None:
        """The bucket that is read when this one does not answer."""
        return None if self.rescue in (None, name) else self._buckets[str(self.rescue)]

    def mount(self, profile: str) -> Bucket | None:
        """A profile's own bucket, `p_<profile>`, usable from now on; None when no profile root is set."""
        if self._root is None:
            return None
        bucket = Bucket(_below(self._root, profile), profile=profile)
        known = self._buckets.get(bucket.name)
        if known is None:
            create_folders([bucket])
            self._buckets[bucket.name] = known = bucket
        return known

    def unmount(self, profile: str) -> bool:
        """Take a profile's bucket out of the list, and say whether it was there. Its objects stay."""
        return self._buckets.pop(f"p_{profile}", None) is not None


def open_buckets(settings: Settings) -> Buckets:
    """The buckets that the settings name, `local` always among them. Missing folders are made; nobody is reached.

    Raises:
        SettingsError: a URL or a secret's reference that cannot be used.
    """
    named = list(settings.buckets)
    if LOCAL.name not in {bucket.name for bucket in named}:
        named.append(LOCAL)
    buckets = [Bucket(parse_address(bucket, settings.home)) for bucket in named]
    create_folders(buckets)
    return Buckets(buckets, rescue=settings.rescue_bucket, root=_find_root(settings))


def create_folders(buckets: Iterable[Bucket]) -> None:
    """Make the folders of local buckets. One that cannot be made is no reason not to start: health says why."""
    for bucket in buckets:
        folder = bucket.local_path()
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            log.warning("bucket %s: the folder %s cannot be made: %s", bucket.name, folder, exc.strerror)


def _find_root(settings: Settings) -> Address | None:
    """The profile root; its credentials are those of the bucket that is in the same container."""
    if settings.profile_root is None:
        return None
    bucket = BucketSettings(name="profile_root", url=settings.profile_root)
    with contextlib.suppress(ValueError):
        place = urlsplit(settings.profile_root)[:2]
        for named in settings.buckets:
            if place[0] not in ("", "file") and urlsplit(named.url)[:2] == place:
                bucket = BucketSettings(
                    name="profile_root",
                    url=settings.profile_root,
                    secret_ref=named.secret_ref,
                    endpoint=named.endpoint,
                    region=named.region,
                    allow_http=named.allow_http,
                )
                break
    return parse_address(bucket, settings.home)


def _below(root: Address, profile: str) -> Address:
    if not profile or "/" in profile or profile in (".", ".."):
        raise SettingsError(f"{profile[:60]!r} is no profile")
    prefix = str(Path(root.prefix) / profile) if root.prefix else profile
    return Address(
        name=f"p_{profile}",
        scheme=root.scheme,
        container=root.container,
        prefix=prefix,
        endpoint=root.endpoint,
        region=root.region,
        allow_http=root.allow_http,
        secret_ref=root.secret_ref,
    )
