"""/catalog/datasets."""

from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.catalog.metadata import update_metadata
from app.catalog.models import Dataset, DatasetRequest, DeletedDataset, MetadataRequest
from app.catalog.service import create_or_update_dataset, delete_dataset, get_dataset, list_datasets
from app.db.database import Database
from app.web.identity import Principal, require_admin
from app.web.paging import Cursor, Limit, Page
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses
from app.web.responses import created_or_updated

TAGS = ["catalog"]
#: Classifying a column makes the views of all the dataset's readers again.
CHANGE_TIMEOUT_MS = 300_000


@post(
    "/",
    status_code=201,
    responses={**problem_responses(404, 409, 413), **created_or_updated(Dataset)},
    tags=TAGS,
)
async def post_dataset(
    data: JSONBody[DatasetRequest], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Response[Dataset]:
    """Register a dataset (201), or update the given fields of one that exists (200)."""
    require_admin(principal)
    dataset, created = await create_or_update_dataset(principal.scope(database), data)
    return Response(dataset, status_code=201 if created else 200)


@get("/", responses=problem_responses(404), tags=TAGS)
async def get_datasets(
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Dataset]:
    """The datasets the caller may see, by name."""
    return await list_datasets(principal.scope(database), limit, cursor)


@get("/by-name/{name:str}", responses=problem_responses(404), tags=TAGS)
async def get_dataset_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> Dataset:
    """One dataset's manifest."""
    return await get_dataset(principal.scope(database), name)


@delete("/by-name/{name:str}", status_code=200, responses=problem_responses(404, 409), tags=TAGS)
async def delete_dataset_by_name(
    name: FromPath[str], principal: NamedDependency[Principal], database: NamedDependency[Database]
) -> DeletedDataset:
    """Delete a dataset, its rows and every reader's view of it; refused while an index is built on it."""
    require_admin(principal)
    return await delete_dataset(principal.scope(database), name)


@patch("/by-name/{name:str}/metadata", responses=problem_responses(404, 413), tags=TAGS)
async def patch_metadata(
    name: FromPath[str],
    data: JSONBody[MetadataRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Dataset:
    """Describe a dataset and classify its columns; what its readers see follows at once."""
    require_admin(principal)
    scope = principal.scope(database, timeout_ms=CHANGE_TIMEOUT_MS)
    dataset = await update_metadata(scope, name, data)
    database.changes.bump()
    return dataset


router = Router(
    "/catalog/datasets",
    route_handlers=[post_dataset, get_datasets, get_dataset_by_name, delete_dataset_by_name, patch_metadata],
    request_max_body_size=MAX_JSON_BYTES,
)
