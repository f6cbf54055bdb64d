"""/storage/buckets/{bucket}/objects: files as they are, so they are the admin's alone."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote, unquote_to_bytes

from litestar import Request, Response, Router, delete, get, head, put
from litestar.di import NamedDependency
from litestar.exceptions import InternalServerException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from app.db.database import Database
from app.errors import InvalidInputError, InvalidRangeError
from app.journal.audit import Call as AuditCall
from app.journal.audit import record_call
from app.storage.keys import check_key, check_prefix
from app.storage.models import DeletedObject, ObjectEntry, StoredObject
from app.storage.objects import (
    RangeError,
    delete_object,
    find_object,
    head_object,
    list_objects,
    open_object,
)
from app.storage.ranges import parse_range
from app.storage.record import journal_object
from app.storage.service import Answer, Call, Storage
from app.storage.upload import Body, put_object
from app.web.identity import Principal, guard_admin
from app.web.paging import Cursor, Limit, Page, decode_cursor, plan_page
from app.web.problems import problem_responses
from app.web.responses import created_or_updated

TAGS = ["storage"]
RESCUE_HEADER = "X-Lakehouse-Rescue-Used"
OBJECT = "/{bucket:str}/objects/{key:path}"
CONTENT = ResponseSpec(
    bytes, generate_examples=False, description="The object", media_type="application/octet-stream"
)
AnyRequest = Request[Any, Any, Any]


@get("/{bucket:str}/objects", responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def get_objects(
    bucket: FromPath[str],
    request: AnyRequest,
    prefix: Annotated[str, QueryParameter(max_length=1024, description="only keys that begin so")] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response[Page[ObjectEntry]]:
    """The objects of a bucket, by key."""
    check_prefix(prefix)
    after = check_key(decode_cursor(cursor, str)) if cursor else None
    answer = await _storage(request).read(
        _call(request, bucket, "list", prefix),
        lambda found: list_objects(found, prefix, after, limit + 1),
    )
    page = plan_page(answer.value, limit, lambda entry: entry.key)
    return Response(page, headers=_rescue(answer))


@put(
    OBJECT,
    status_code=201,
    responses={**problem_responses(409, 507), **created_or_updated(StoredObject)},
    guards=[guard_admin],
    tags=TAGS,
    request_max_body_size=None,
)
async def put_bytes(
    bucket: FromPath[str],
    key: FromPath[str],
    request: AnyRequest,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Response[StoredObject]:
    """Write an object from the body, in pieces: it is there whole (201; 200 when one was there) or not at all."""
    key = _key(request, bucket)
    body = Body(_chunks(request), _length(request))

    async def write(found: Any) -> tuple[bool, dict[str, Any]]:
        before = await find_object(found, key)
        return before is None, await put_object(found, key, body)

    created, put = await _storage(request).write(_call(request, bucket, "put", key), write)
    etag = (put["e_tag"] or "").strip('"') or None
    stored = StoredObject(bucket=bucket, key=key, size=body.size, etag=etag, created=created)
    new = {"size": body.size, "etag": etag}
    await journal_object(principal.scope(database), "object_put", bucket, key, new)
    return Response(
        stored, status_code=201 if created else 200, headers={"ETag": f'"{etag}"'} if etag else {}
    )


@get(
    OBJECT,
    responses={**problem_responses(404, 416), 200: CONTENT, 206: CONTENT},
    guards=[guard_admin],
    tags=TAGS,
)
async def get_bytes(
    bucket: FromPath[str],
    key: FromPath[str],
    request: AnyRequest,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> Stream:
    """An object's bytes, or with `Range: bytes=…` a part of them (206)."""
    key = _key(request, bucket)
    wanted = parse_range(request.headers.get("range"))
    try:
        answer = await _storage(request).read(
            _call(request, bucket, "get", key), lambda found: open_object(found, key, wanted)
        )
    except RangeError as exc:
        raise InvalidRangeError(f"{key!r} has {exc.size:,} bytes; the range begins behind its end") from exc
    call = AuditCall(door="rest", operation="GET object", arguments=f"{bucket}/{key}".encode())
    await record_call(database, principal.scope(database), call)
    opened = answer.value
    headers = {**_describe(opened.entry, opened.stop - opened.start), **_rescue(answer)}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {opened.start}-{opened.stop - 1}/{opened.entry.size}"
    return Stream(
        opened.chunks,
        status_code=206 if wanted else 200,
        headers=headers,
        media_type="application/octet-stream",
    )


@head(OBJECT, responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def head_bytes(bucket: FromPath[str], key: FromPath[str], request: AnyRequest) -> Response[None]:
    """Size, ETag and time of an object."""
    key = _key(request, bucket)
    answer = await _storage(request).read(
        _call(request, bucket, "head", key), lambda found: head_object(found, key)
    )
    return Response(None, headers={**_describe(answer.value, answer.value.size), **_rescue(answer)})


@delete(OBJECT, status_code=200, responses=problem_responses(404), guards=[guard_admin], tags=TAGS)
async def delete_bytes(
    bucket: FromPath[str],
    key: FromPath[str],
    request: AnyRequest,
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
) -> DeletedObject:
    """Delete an object."""
    key = _key(request, bucket)
    await _storage(request).write(
        _call(request, bucket, "delete", key), lambda found: delete_object(found, key)
    )
    await journal_object(principal.scope(database), "object_delete", bucket, key, None)
    return DeletedObject(bucket=bucket, key=key)


def _storage(request: AnyRequest) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


def _call(request: AnyRequest, bucket: str, operation: str, key: str) -> Call:
    return Call(bucket=bucket, operation=operation, key=key, request_id=request.headers.get("x-request-id"))


def _key(request: AnyRequest, bucket: str) -> str:
    """The key as it was sent: the framework's own path parameter has lost empty segments."""
    raw = bytes(request.scope.get("raw_path") or quote(request.scope["path"]).encode()).partition(b"?")[0]
    _, _, rest = raw.partition(b"/objects/")
    try:
        return check_key(unquote_to_bytes(rest).decode())
    except UnicodeDecodeError as exc:
        raise InvalidInputError("the key is not UTF-8") from exc


def _length(request: AnyRequest) -> int | None:
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None


async def _chunks(request: AnyRequest) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException as exc:
        raise InvalidInputError(
            "the client went away before the end of the body; nothing was written"
        ) from exc


def _describe(entry: ObjectEntry, length: int) -> dict[str, str]:
    headers = {
        "Content-Length": str(length),
        "Accept-Ranges": "bytes",
        "Last-Modified": entry.last_modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        # whatever is in it, a browser must not run it
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "attachment",
    }
    return headers | ({"ETag": f'"{entry.etag}"'} if entry.etag else {})


def _rescue(answer: Answer[Any]) -> dict[str, str]:
    return {RESCUE_HEADER: "true"} if answer.rescue_used else {}


router = Router(
    "/storage/buckets", route_handlers=[get_objects, put_bytes, get_bytes, head_bytes, delete_bytes]
)
