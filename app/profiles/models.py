"""Profiles: what is asked for and what is answered."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec


class HnswConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a profile's HNSW variant is built and searched; pgvector's limits, and ef_construction >= 2 * m."""

    m: Annotated[int, msgspec.Meta(ge=2, le=100)] = 16
    ef_construction: Annotated[int, msgspec.Meta(ge=4, le=1000)] = 80
    ef_search: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 30


class ProfileRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile as it shall be; what is left out gets its default, also when the profile exists."""

    id: str
    description: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    ollama_name: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    bound_datasets: Annotated[list[str], msgspec.Meta(max_length=10_000)] = []
    hnsw_config: HnswConfig = HnswConfig()
    embed_model: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    access_role: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")] = "agent"
    vector_backend: Literal["pgvector", "lance"] = "pgvector"


class Profile(msgspec.Struct, frozen=True):
    """A profile, with the names of the relations it is bound to and of its role and schema in Postgres."""

    id: str
    description: str
    ollama_name: str | None
    bound_datasets: list[str]
    hnsw_config: HnswConfig
    embed_model: str | None
    access_role: str
    vector_backend: str
    role_name: str
    schema_name: str
    created_at: datetime
    created_by: str


class DeletedProfile(msgspec.Struct, frozen=True):
    """What went with a profile."""

    id: str
    bound_datasets: list[str]
    revoked_keys: int
