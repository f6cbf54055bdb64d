"""The API's composition root: settings in, a Litestar app out. Only this file and worker.py see every capability."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from app import __version__
from app.access.routes import router as access_router
from app.access.service import KeyAuthenticator
from app.catalog.routes import router as catalog_router
from app.db.database import open_database
from app.profiles.routes import router as profiles_router
from app.settings import Settings
from app.web.health import router as health_router
from app.web.identity import guard_identity, provide_database, provide_principal
from app.web.parameters import guard_parameters
from app.web.problems import EXCEPTION_HANDLERS

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


def create_app(settings: Settings, dsn: str) -> Litestar:
    """The API over the database at `dsn` (the service login's), which is opened when the app starts."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        database = await open_database(dsn, settings)
        app.state.settings = settings
        app.state.database = database
        app.state.authenticator = KeyAuthenticator(database)
        try:
            yield
        finally:
            await database.close()

    return Litestar(
        route_handlers=[health_router, access_router, catalog_router, profiles_router],
        guards=[guard_identity, guard_parameters],
        dependencies={
            "principal": Provide(provide_principal, sync_to_thread=False),
            "database": Provide(provide_database, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        lifespan=[lifespan],
        openapi_config=OPENAPI,
        request_max_body_size=settings.api.max_body_bytes,
    )
