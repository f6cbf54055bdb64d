"""The OpenAPI document, at /schema: what the framework writes, plus what it does not know of our types."""

import msgspec
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme

from app import __version__

OPENAPI = OpenAPIConfig(
    title="Lakeward",
    version=__version__,
    description="A governed lakehouse for AI agents and local models, on PostgreSQL.",
    path="/schema",
    render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
    components=Components(
        security_schemes={
            "key": SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header"),
            "bearer": SecurityScheme(type="http", scheme="bearer"),
        }
    ),
    security=[{"key": []}, {"bearer": []}],
)
#: The `security` of a route that needs no key.
OPEN: list[SecurityRequirement] = [{}]


def close_request_schemas(app: Litestar) -> None:
    """Say of every request body that refuses unknown fields that it does."""
    strict = {
        kind.__name__ for kind in _subclasses(msgspec.Struct) if kind.__struct_config__.forbid_unknown_fields
    }
    for name, schema in app.openapi_schema.components.schemas.items():
        if name.rpartition(".")[2] in strict or (schema.title or "") in strict:
            schema.additional_properties = False


def _subclasses(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    direct = set(kind.__subclasses__())
    return direct.union(*(_subclasses(child) for child in direct))
