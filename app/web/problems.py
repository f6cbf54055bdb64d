"""Errors on the wire: application/problem+json (RFC 9457) with a stable `code` and what helps the caller."""

import logging
import traceback
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.typing import FieldDefinition

from app.errors import LakewardError
from app.mismatch import explain
from app.web.identity import Principal
from app.web.parameters import query_name

log = logging.getLogger(__name__)

#: Turns malformed JSON into an error of its own, and lets these two through.
BODY_DECODER = "litestar.serialization.msgspec_hooks"
MEDIA_TYPE = "application/problem+json"
TOO_LARGE = "the body is larger than this takes: 2 MiB of JSON; files go to POST /ingest/file"
_CODES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An RFC 9457 problem document. `code` is stable; further fields depend on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    allowed_bindings: list[str] | None = None
    line: int | None = None
    column: int | None = None
    retry_after_s: int | None = None


def problem_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """The `responses` of a handler that may answer these statuses; 400, 401, 403, 500 and 503 come with every one."""
    wanted = {400, 401, 403, 500, 503, *statuses}
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description=HTTPStatus(status).phrase, media_type=MEDIA_TYPE
        )
        for status in sorted(wanted)
    }


def find_code(exc: Exception) -> str:
    """The code that an exception has on the wire."""
    if isinstance(exc, LakewardError):
        return exc.code
    if isinstance(exc, HTTPException) and exc.status_code < 500:
        return _CODES.get(exc.status_code, "invalid_input")
    return "internal_error"


def _respond(document: dict[str, Any], headers: dict[str, str]) -> Response[Any]:
    return Response(document, status_code=document["status"], media_type=MEDIA_TYPE, headers=headers)


def _document(code: str, title: str, status: int, detail: str, **extra: Any) -> dict[str, Any]:
    return {
        "type": f"urn:lakeward:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **extra,
    }


def handle_lakeward_error(request: Request[Any, Any, Any], exc: LakewardError) -> Response[Any]:
    """An error of ours: as it is for admins and the log, and for readers as it may be told them."""
    if exc.status >= 500:
        # a model or a server that is away is no fault in the code, so where it was noticed says nothing
        trace = exc if exc.status == 500 else None
        log.error("%s %s: %s", request.method, request.url.path, exc, exc_info=trace)
    headers = {"WWW-Authenticate": 'Bearer realm="lakeward"'} if exc.status == 401 else {}
    if "retry_after_s" in exc.extra:
        headers["Retry-After"] = str(exc.extra["retry_after_s"])
    detail = describe_for(request, exc)
    return _respond(_document(exc.code, exc.title, exc.status, detail, **exc.extra), headers)


def describe_for(request: Request[Any, Any, Any], exc: LakewardError) -> str:
    """The error as an admin reads it, and what all others may: those whose key is not known yet, too."""
    principal = request.scope.get("user")
    return exc.message if isinstance(principal, Principal) and principal.is_admin else exc.for_readers


def handle_http_exception(request: Request[Any, Any, Any], exc: HTTPException) -> Response[Any]:
    """An error of the framework: unknown path, wrong method, a body that does not fit."""
    status = exc.status_code
    if status >= 500:
        return handle_unexpected(request, exc)
    detail = TOO_LARGE if status == 413 else exc.detail
    if isinstance(exc, ValidationException) and isinstance(exc.extra, list) and exc.extra:
        detail = "; ".join(_describe(item, _parameters(request)) for item in exc.extra)
    return _respond(
        _document(find_code(exc), HTTPStatus(status).phrase, status, detail), dict(exc.headers or {})
    )


def _parameters(request: Request[Any, Any, Any]) -> dict[str, FieldDefinition]:
    """What the handler that was asked takes, by name; `data` is the body's."""
    handler = request.scope.get("route_handler")
    return {} if handler is None else dict(handler.parsed_fn_signature.parameters)


def _describe(item: Any, parameters: dict[str, FieldDefinition]) -> str:
    """One thing that does not fit. Litestar puts where it is in the body, without `data.`, or a parameter's name."""
    if not isinstance(item, dict):
        return str(item)
    key, message = str(item.get("key") or ""), str(item.get("message"))
    if key == "data" and message == "'data'":
        return "there is no body: send a JSON object"
    name, path = ("data", "" if key == "data" else key) if item.get("source") == "body" else (key, "")
    if name in parameters:
        message = explain(message, path, parameters[name].annotation)
        # a query parameter may be called otherwise than the handler's
        key = key if name == "data" else query_name(key, parameters[name])
    return f"{path or key}: {message}" if key and key != "data" else message


def handle_unexpected(request: Request[Any, Any, Any], exc: Exception) -> Response[Any]:
    """A fault of ours: the log has it, the caller gets no detail. Or a body that the framework cannot decode."""
    if isinstance(exc, RecursionError | UnicodeDecodeError) and _raised_in(exc) == BODY_DECODER:
        detail = "the body is not JSON in UTF-8, or is nested too deep"
        return _respond(_document("invalid_input", "Bad Request", 400, detail), {})
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    detail = "an internal error; the server's log has the details"
    return _respond(_document("internal_error", "Internal Server Error", 500, detail), {})


def _raised_in(exc: Exception) -> str:
    """The module whose code raised it."""
    *_, (frame, _) = traceback.walk_tb(exc.__traceback__)
    return str(frame.f_globals.get("__name__", ""))


EXCEPTION_HANDLERS: dict[Any, Any] = {
    LakewardError: handle_lakeward_error,
    HTTPException: handle_http_exception,
    Exception: handle_unexpected,
}
