"""Where a bucket's folders are: the seam to app.storage, which knows the buckets."""

from pathlib import Path
from typing import Any, Protocol

from obstore.store import LocalStore

from app.delta.models import Place
from app.errors import UnavailableError


class Places(Protocol):
    """The buckets as far as bucket datasets need them."""

    @property
    def default(self) -> str:
        """The bucket that is taken when none is named."""
        ...

    def find_place(self, bucket: str, location: str) -> Place:
        """A folder of a bucket, for deltalake.

        Raises:
            UnavailableError: no such bucket is configured, or it is known not to answer.
        """
        ...

    def find_store(self, bucket: str) -> Any:
        """The bucket's obstore client.

        Raises:
            UnavailableError: no such bucket is configured, or it is known not to answer.
        """
        ...


class LocalPlaces:
    """One bucket, `local`: a folder of the home."""

    def __init__(self, home: Path) -> None:
        self._root = home / "buckets" / "local"

    @property
    def default(self) -> str:
        """`local`."""
        return "local"

    def find_place(self, bucket: str, location: str) -> Place:
        """A folder below it.

        Raises:
            UnavailableError: another bucket.
        """
        if bucket != "local":
            raise UnavailableError(f"no bucket {bucket[:60]!r} is configured", retry_after_s=10)
        self._root.mkdir(parents=True, exist_ok=True)
        return Place(str(self._root / location))

    def find_store(self, bucket: str) -> Any:
        """The folder.

        Raises:
            UnavailableError: another bucket.
        """
        self.find_place(bucket, "datasets")
        return LocalStore(self._root)
