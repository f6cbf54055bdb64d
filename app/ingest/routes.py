"""POST /ingest/file."""

from typing import Annotated, Any

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, MultipartBody, QueryParameter

from app.catalog.plan import plan_name
from app.db.database import Database
from app.delta.places import Places
from app.errors import InvalidInputError
from app.ingest.requests import IngestAccepted, Ingested, IngestForm, IngestPlan
from app.ingest.service import find_duplicate, ingest
from app.ingest.tasks import defer_ingest
from app.ingest.upload import Upload, save_upload
from app.web.identity import Principal, guard_admin
from app.web.problems import problem_responses

#: A larger file is loaded by a job, and the request answers at once.
SYNC_BYTES = 64 * 1024 * 1024
RESPONSES = {
    **problem_responses(404, 409, 413, 507),
    200: ResponseSpec(
        Ingested, generate_examples=False, description="The same content again; nothing was loaded"
    ),
    201: ResponseSpec(Ingested, generate_examples=False, description="Loaded"),
    202: ResponseSpec(IngestAccepted, generate_examples=False, description="A job loads it"),
}


@post("/ingest/file", status_code=201, responses=RESPONSES, guards=[guard_admin], tags=["ingest"])
async def post_file(
    data: MultipartBody[IngestForm],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
    in_background: Annotated[bool, QueryParameter(name="async", description="load it by a job")] = False,
    bucket: Annotated[str | None, HeaderParameter(name="X-Lakehouse-Bucket", max_length=200)] = None,
) -> Response[Ingested | IngestAccepted]:
    """Load a CSV, JSON, NDJSON or Parquet file into a dataset: all of it or nothing."""
    plan_name(data.dataset, "dataset")
    places: Places = request.app.state.places
    if bucket is not None:
        if data.home == "table":
            raise InvalidInputError(
                "X-Lakehouse-Bucket names a bucket, and home 'table' is none; leave one of them out"
            )
        places.check(bucket)
    upload = await save_upload(data.file.file, request.app.state.settings.home / "uploads")
    plan = _plan(data, upload, principal, bucket)
    deferred = False
    try:
        if (duplicate := await find_duplicate(database, plan)) is not None:
            return Response(duplicate, status_code=200)
        if in_background or upload.size > SYNC_BYTES:
            job_id = await defer_ingest(principal.scope(database), plan)
            deferred = True
            accepted = IngestAccepted(dataset=plan.dataset, job_id=job_id, content_sha256=plan.content_sha256)
            return Response(accepted, status_code=202)
        answer = await ingest(database, plan, places)
        return Response(answer, status_code=200 if answer.duplicate else 201)
    finally:
        if not deferred:
            upload.path.unlink(missing_ok=True)


def _plan(form: IngestForm, upload: Upload, principal: Principal, bucket: str | None) -> IngestPlan:
    return IngestPlan(
        path=str(upload.path),
        filename=form.file.filename[:500],
        dataset=form.dataset,
        content_sha256=upload.content_sha256,
        row_key=form.row_key or None,
        home=form.home,
        bucket=bucket,
        disposition=form.disposition,
        format=form.format,
        records_path=form.records_path or None,
        principal=principal.id,
    )


router = Router("/", route_handlers=[post_file])
