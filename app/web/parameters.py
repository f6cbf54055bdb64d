"""Unknown query parameters are refused, so that a misspelt one is noticed."""

import difflib
from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.constants import RESERVED_KWARGS
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.typing import FieldDefinition

from app.errors import InvalidInputError

#: Of a JSON body, which is read into memory whole; the largest there is lists 10,000 bindings in half of this.
MAX_JSON_BYTES = 2 * 1024 * 1024


@lru_cache(maxsize=1024)
def _known(handler: HTTPRouteHandler) -> frozenset[str]:
    names = set()
    # what Litestar itself gives a handler, and what the application does, is no parameter of a request
    given = RESERVED_KWARGS | handler.resolve_dependencies().keys()
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name in given:
            continue
        names.add(query_name(name, field))
    return frozenset(names)


def query_name(name: str, field: FieldDefinition) -> str:
    """What a handler's parameter is called in a request."""
    definition = field.kwarg_definition
    return getattr(definition, "query", None) or getattr(definition, "name", None) or name


def guard_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard of every route.

    Raises:
        InvalidInputError: naming the parameter, and the nearest known one.
    """
    if not isinstance(handler, HTTPRouteHandler):
        return
    for name in connection.query_params:
        if len(connection.query_params.getall(name)) > 1:
            raise InvalidInputError(f"query parameter '{name[:100]}' is there twice; send it once")
        if name not in _known(handler):
            close = difflib.get_close_matches(name, _known(handler), n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise InvalidInputError(f"unknown query parameter '{name[:100]}'{hint}")
