"""Bucket datasets over HTTP: what is asked for and what is answered."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class CompactRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The dataset to compact."""

    dataset: Name


class AttachRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parquet files that are there: `path` in the bucket is one, a folder, or a pattern in its last part."""

    name: Name
    path: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    bucket: Name | None = None
    row_key: Name | None = None


class ResyncAccepted(msgspec.Struct, frozen=True):
    """The job that asks the files."""

    job_id: str


class JobAccepted(msgspec.Struct, frozen=True):
    """The job that does it."""

    dataset: str
    job_id: str
