"""Ingest over HTTP: what is asked for and what is answered."""

from typing import Annotated, Literal

import msgspec
from litestar.datastructures import UploadFile

from app.catalog.models import ColumnType, Home
from app.ingest.models import Format

Disposition = Literal["append", "replace", "merge"]


class IngestForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of the multipart form."""

    file: UploadFile
    dataset: str
    row_key: str | None = None
    home: Home | None = None
    disposition: Disposition = "append"
    format: Format | None = None
    records_path: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


class IngestedColumn(msgspec.Struct, frozen=True):
    """A column of the dataset after the load."""

    name: str
    type: ColumnType
    pii: str | None
    sensitivity: str


class Ingested(msgspec.Struct, frozen=True):
    """What became of a file. `rows` are those it brought; `duplicate`: it was loaded before, and nothing now.

    `tombstoned` rows were left out: their keys have tombstones.
    """

    dataset: str
    home: Home
    rows: int
    rejected: int
    content_sha256: str
    duplicate: bool
    columns: list[IngestedColumn]
    job_id: str | None = None
    tombstoned: int = 0


class IngestAccepted(msgspec.Struct, frozen=True):
    """The job that loads the file."""

    dataset: str
    job_id: str
    content_sha256: str


class IngestPlan(msgspec.Struct, frozen=True):
    """One file on its way into one dataset; also the arguments of the ingest job."""

    path: str
    filename: str
    dataset: str
    content_sha256: str
    row_key: str | None = None
    disposition: Disposition = "append"
    format: Format | None = None
    records_path: str | None = None
    principal: str = ""
    home: Home | None = None
    bucket: str | None = None
