"""One bucket: its address, and the clients that obstore, deltalake and DataFusion need for it."""

from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from app.storage.address import Address
from app.storage.credentials import read_credentials

Store: TypeAlias = "LocalStore | S3Store | GCSStore | AzureStore"

#: How long a connection, or the next bytes of an answer, may take. A part of an upload has to be sent in this time.
CONNECT_S = 5
IDLE_S = 60
RETRIES = 2
RETRY_S = 30


class Bucket:
    """A named object store. Clients are made when they are first wanted; making them reaches nobody.

    `profile` is whose own bucket it is. What is sent to another process is `plain()`, from which `Bucket` is made
    there again.
    """

    def __init__(self, address: Address, *, profile: str | None = None) -> None:
        self.address = address
        self.profile = profile
        self._credentials: dict[str, str] | None = address.credentials
        self._store: Store | None = None

    def __repr__(self) -> str:
        """Without credentials, which the clients hold."""
        return f"Bucket({self.name}, {self.url})"

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.address.name

    @property
    def url(self) -> str:
        """Its URL, without secrets."""
        return self.address.url

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.address.scheme == "file"

    @property
    def store(self) -> Store:
        """The obstore client.

        Raises:
            SettingsError: the secret cannot be read.
            OSError, obstore's BaseError: the folder is not there, or the URL is none.
        """
        if self._store is None:
            self._store = self._open()
        return self._store

    def forget(self) -> None:
        """Drop the client and the credentials, so that both are made anew: a secret may have been changed."""
        self._store, self._credentials = None, self.address.credentials

    def plain(self) -> Address:
        """All that another process needs, credentials among it: it has no readable repr, and is not for logs.

        Raises:
            SettingsError: the secret cannot be read.
        """
        return msgspec.structs.replace(self.address, credentials=self._read())

    def local_path(self, key: str = "") -> Path | None:
        """Where an object or folder is on this machine; None when the bucket is elsewhere."""
        return Path(self.address.prefix) / key if self.is_local else None

    def path(self, key: str) -> str:
        """The key within the container, the bucket's prefix included."""
        return "/".join(part for part in (self.address.prefix, key) if part)

    def delta(self, key: str) -> tuple[str, dict[str, str]]:
        """A folder's URI and storage options, for deltalake.

        Raises:
            SettingsError: the secret cannot be read.
        """
        address = self.address
        if self.is_local:
            return str(Path(address.prefix) / key), {}
        prefix = {"s3": "aws_", "gs": "google_", "az": "azure_storage_"}[address.scheme]
        options = {prefix + name: value for name, value in self._read().items()}
        if address.endpoint:
            options["aws_endpoint" if address.scheme == "s3" else "endpoint"] = address.endpoint
        if address.scheme == "s3":
            options["aws_region"] = address.region or "us-east-1"
            options["aws_conditional_put"] = "etag"
            options["aws_virtual_hosted_style_request"] = str(address.endpoint is None).lower()
        options |= {"allow_http": str(address.allow_http).lower(), "connect_timeout": f"{CONNECT_S}s"}
        options |= {"timeout": f"{IDLE_S}s", "max_retries": str(RETRIES), "retry_timeout": f"{RETRY_S}s"}
        return f"{address.scheme}://{address.container}/{self.path(key)}", options

    def engine_uri(self, key: str) -> str:
        """How the analytic engine names an object of this bucket, once `engine_store` is registered with it.

        The host is the bucket's name here, not its container: two buckets may have containers of one name.
        """
        if self.is_local:
            return str(Path(self.address.prefix) / key)
        return f"{self.address.scheme}://{self.name}/{self.path(key)}"

    def engine_store(self) -> tuple[str, Any]:
        """For DataFusion's `register_object_store(scheme, store, host)`: `scheme://name` and the store.

        The store is None for a folder, which the engine reads without one.

        Raises:
            SettingsError: the secret cannot be read.
        """
        address = self.address
        if self.is_local:
            return f"file://{address.prefix}", None
        # seconds of importing, and only the process that runs queries needs it
        from datafusion.object_store import AmazonS3, GoogleCloud, MicrosoftAzure  # noqa: PLC0415

        found = self._read()
        url = f"{address.scheme}://{self.name}"
        if address.scheme == "s3":
            region = address.region or "us-east-1"
            return url, AmazonS3(
                address.container,
                region=region,
                endpoint=address.endpoint,
                allow_http=address.allow_http,
                **found,
            )
        if address.scheme == "az":
            return url, MicrosoftAzure(
                address.container,
                account=found.get("account_name"),
                access_key=found.get("account_key"),
                allow_http=address.allow_http,
            )
        return url, GoogleCloud(address.container, _key_file(address))

    def _read(self) -> dict[str, str]:
        if self._credentials is None:
            reference = self.address.secret_ref
            self._credentials = read_credentials(reference, self.address.scheme) if reference else {}
        return self._credentials

    def _open(self) -> Store:
        address = self.address
        if self.is_local:
            if not Path(address.prefix).is_dir():
                raise FileNotFoundError(f"no folder {address.prefix}")
            return LocalStore(address.prefix)
        options: Any = {
            "prefix": address.prefix or None,
            "client_options": {
                "allow_http": address.allow_http,
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "read_timeout": timedelta(seconds=IDLE_S),
                # of a whole request, its body included: objects may be large
                "timeout": timedelta(days=1),
            },
            "retry_config": {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
            **self._read(),
        }
        if address.scheme == "s3":
            if address.endpoint:
                options |= {"endpoint": address.endpoint, "virtual_hosted_style_request": False}
            return S3Store(address.container, region=address.region or "us-east-1", **options)
        if address.endpoint:
            options["endpoint"] = address.endpoint
        if address.scheme == "az":
            return AzureStore(address.container, **options)
        return GCSStore(address.container, **options)


def _key_file(address: Address) -> str | None:
    """DataFusion takes a service account as a file only."""
    kind, _, path = (address.secret_ref or "").partition(":")
    return path if kind == "file" else None
