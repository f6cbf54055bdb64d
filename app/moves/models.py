"""Moves of datasets: what is asked for, what a job carries, what it answers."""

from typing import Annotated, Literal

import msgspec

from app.catalog.models import ColumnType, Home

Kind = Literal["export", "materialize"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ExportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new dataset's name (default: `<name>_parquet`) and its bucket (default: the first of the settings)."""

    target: Name | None = None
    bucket: Name | None = None


class MaterializeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new dataset's name (default: `<name>_table`)."""

    target: Name | None = None


class MoveAccepted(msgspec.Struct, frozen=True):
    """The job that makes `target` of `dataset`."""

    dataset: str
    target: str
    job_id: str


class MovePlan(msgspec.Struct, frozen=True):
    """One copy of a dataset; also the arguments of its job. `bucket`: None when the rows go to Postgres."""

    dataset: str
    target: str
    bucket: str | None = None
    principal: str = ""

    @property
    def kind(self) -> Kind:
        """What the job is called."""
        return "materialize" if self.bucket is None else "export"

    @property
    def home(self) -> Home:
        """Where the copy's rows are."""
        return "table" if self.bucket is None else "bucket"


class Moved(msgspec.Struct, frozen=True):
    """What a job made: rows of the new dataset; `tombstoned` are rows that were tombstoned while it was made."""

    dataset: str
    source: str
    rows: int
    tombstoned: int = 0


class SourceColumn(msgspec.Struct, frozen=True):
    """A column of the dataset that is copied, as it was when its rows were read."""

    name: str
    source_name: str
    type: ColumnType
    sensitivity: str
    pii: str | None
