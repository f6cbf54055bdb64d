"""POST /vectors/rag: an answer with citations, at once or as server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec
from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.db.database import Database
from app.errors import LakewardError
from app.rag.models import RagAnswer, RagRequest
from app.rag.service import Rag, Retrieved, Step, Token
from app.settings import Settings
from app.web.identity import Principal, act_as_profile
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import describe_for, problem_responses
from app.web.streamed import StreamedResponse

EVENTS = "text/event-stream"


@post("/rag", status_code=200, responses=problem_responses(404, 413, 502), tags=["vectors"])
async def post_rag(
    data: JSONBody[RagRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Response[RagAnswer] | StreamedResponse:
    """Answer a question from what the profile may see; `Accept: text/event-stream` sends it as it is written.

    Events: `retrieved` (the passages), `token` (a piece of the answer), `done` (the answer with its checked citations),
    or `error` in the place of what is missing.
    """
    if data.profile is not None:
        principal = await act_as_profile(request, principal, data.profile)
    rag: Rag = request.app.state.rag
    scope = principal.scope(database)
    if EVENTS not in request.headers.get("accept", ""):
        return Response(await rag.answer(scope, principal.profile, data))
    settings: Settings = request.app.state.settings

    @asynccontextmanager
    async def open_events() -> AsyncIterator[_Events]:
        # whoever goes away ends the model's work
        async with aclosing(rag.steps(scope, principal.profile, data)) as steps:
            # what is refused is refused before the first event
            yield _Events(request, await anext(steps), steps)

    patience_s = settings.query.client_timeout_ms / 1000
    return StreamedResponse(open_events, media_type=EVENTS, patience_s=patience_s)


class _Events:
    """The steps as server-sent events."""

    def __init__(
        self, request: Request[Any, Any, Any], first: Step, steps: AsyncGenerator[Step, None]
    ) -> None:
        self._request = request
        self._first = first
        self._steps = steps

    def headers(self) -> dict[str, str]:
        """Nobody keeps it."""
        return {"Cache-Control": "no-store"}

    async def pieces(self) -> AsyncIterator[bytes]:
        """An event each; what goes wrong meanwhile is the last."""
        yield _event(self._first)
        try:
            async for step in self._steps:
                yield _event(step)
        except LakewardError as exc:
            yield _write("error", {"code": exc.code, "detail": describe_for(self._request, exc)})


def _event(step: Step) -> bytes:
    match step:
        case Retrieved():
            return _write("retrieved", step)
        case Token():
            return _write("token", step)
        case _:
            return _write("done", step)


def _write(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"


router = Router("/vectors", route_handlers=[post_rag], request_max_body_size=MAX_JSON_BYTES)
