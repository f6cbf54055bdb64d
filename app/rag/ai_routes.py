"""/ai: the configured models themselves, for whoever has a key; each call is on record."""

import math
import time
from typing import Any

import msgspec
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.db.database import Database
from app.errors import ConflictError, InvalidInputError, LakewardError, NotFoundError
from app.journal.audit import Call, record_call
from app.models.embedders import Embedders
from app.models.protocol import Generator, Message, Reranker
from app.rag.models import (
    Embedded,
    EmbedRequest,
    Generated,
    GenerateRequest,
    ModelStatus,
    ModelStatuses,
    Ranked,
    Reranked,
    RerankRequest,
)
from app.web.identity import Principal
from app.web.parameters import MAX_JSON_BYTES
from app.web.problems import problem_responses

TAGS = ["ai"]
#: Of all texts of one call together.
MAX_CHARACTERS = 1_000_000


async def _record(
    principal: Principal, database: Database, operation: str, arguments: Any, rows: int
) -> None:
    call = Call(door="ai", operation=operation[:200], arguments=msgspec.json.encode(arguments))
    await record_call(database, principal.scope(database), call, rows=rows)


def _check_texts(texts: list[str]) -> None:
    if sum(map(len, texts)) > MAX_CHARACTERS:
        raise InvalidInputError(
            f"the texts have more than {MAX_CHARACTERS:,} characters; send fewer at a time"
        )


@post("/embed", status_code=200, responses=problem_responses(404, 413, 502), tags=TAGS)
async def post_embed(
    data: JSONBody[EmbedRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Embedded:
    """Vectors of texts, as the indexes of that model have them."""
    _check_texts(data.texts)
    embedders: Embedders = request.app.state.embedders
    if data.model is None:
        info = await embedders.describe(embedders.default)
    else:
        infos = await embedders.list_infos()
        found = next((info for info in infos if info.name == data.model), None)
        if found is None:
            raise NotFoundError(
                f"no model {data.model[:60]!r}; there are {', '.join(i.name for i in infos) or 'none'}"
            )
        info = found
    await _record(principal, database, f"embed {info.name}", data, len(data.texts))
    embedder = await embedders.find(info.provider, info.name, info.version, info.dimensions)
    vectors = await embedder.embed(data.texts)
    return Embedded(info.name, info.version, info.dimensions, vectors.tolist())


@post("/generate", status_code=200, responses=problem_responses(409, 413, 502), tags=TAGS)
async def post_generate(
    data: JSONBody[GenerateRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Generated:
    """What models.generate says to a prompt or a conversation."""
    if (data.prompt is None) == (not data.messages):
        raise InvalidInputError("send either prompt, a text, or messages, a conversation")
    messages = data.messages or [Message("user", data.prompt or "")]
    _check_texts([message.content for message in messages])
    generator: Generator | None = request.app.state.generator
    if generator is None:
        raise ConflictError("no model is configured that writes answers; set models.generate")
    await _record(principal, database, f"generate {generator.model}", data, 1)
    started = time.perf_counter()
    text = "".join([piece async for piece in generator.generate(messages, data.max_tokens)])
    return Generated(generator.model, text, round((time.perf_counter() - started) * 1000, 3))


@post("/rerank", status_code=200, responses=problem_responses(409, 413, 502), tags=TAGS)
async def post_rerank(
    data: JSONBody[RerankRequest],
    principal: NamedDependency[Principal],
    database: NamedDependency[Database],
    request: Request[Any, Any, Any],
) -> Reranked:
    """How well each text answers a question, by models.rerank; the best first."""
    _check_texts([data.query, *data.texts])
    reranker: Reranker | None = request.app.state.reranker
    if reranker is None:
        raise ConflictError("no model is configured that compares texts; set models.rerank")
    name = request.app.state.settings.models.rerank.model
    await _record(principal, database, f"rerank {name}", data, len(data.texts))
    scores = await reranker.rerank(data.query, data.texts)
    order = sorted(range(len(scores)), key=lambda position: -scores[position])
    return Reranked(name, [Ranked(n, scores[n]) for n in order if math.isfinite(scores[n])])


@get("/models", tags=TAGS)
async def get_models(principal: NamedDependency[Principal], request: Request[Any, Any, Any]) -> ModelStatuses:
    """The configured models; of those that embed, whether they answer."""
    settings = request.app.state.settings.models
    embedders: Embedders = request.app.state.embedders
    items = []
    for number, configured in enumerate([settings.embed, *settings.embedders]):
        try:
            info = await embedders.describe(embedders.all[number])
            items.append(ModelStatus("embed", info.provider, info.name, info.version, info.dimensions, True))
        except LakewardError:
            items.append(ModelStatus("embed", configured.provider, configured.model, None, None, False))
    if settings.generate.provider != "none":
        one = settings.generate
        items.append(ModelStatus("generate", one.provider, one.model, None, None, None))
    if settings.rerank.provider != "none":
        one = settings.rerank
        items.append(ModelStatus("rerank", one.provider, one.model, None, None, None))
    return ModelStatuses(items)


router = Router(
    "/ai",
    route_handlers=[post_embed, post_generate, post_rerank, get_models],
    request_max_body_size=MAX_JSON_BYTES,
)
