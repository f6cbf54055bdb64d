"""Answers that a handler gives beside its usual one, as the OpenAPI document has them."""

from typing import Any

from litestar.openapi.datastructures import ResponseSpec


def created_or_updated(kind: type[Any]) -> dict[int, ResponseSpec]:
    """201 when it is new, 200 when it was there."""
    return {
        200: ResponseSpec(kind, generate_examples=False, description="It was there, and is as answered"),
        201: ResponseSpec(kind, generate_examples=False, description="It is new"),
    }
