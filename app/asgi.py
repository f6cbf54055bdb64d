"""The API's composition root: settings in, a Litestar app out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.di import Provide

from app.access.first_key import ensure_admin_key
from app.access.roles_routes import router as roles_router
from app.access.routes import router as access_router
from app.access.service import KeyAuthenticator
from app.access.user_routes import router as users_router
from app.analytics.analytics import Analytics
from app.analytics.cache_routes import router as cache_router
from app.analytics.routes import router as analytics_router
from app.analytics.warming import Warming
from app.catalog.routes import router as catalog_router
from app.db.database import open_database
from app.db.lint import verify
from app.delta.places import Places
from app.delta.routes import router as delta_router
from app.ingest.leftovers import sweep_leftovers
from app.ingest.routes import router as ingest_router
from app.jobs.routes import router as jobs_router
from app.journal.refusals import Refusals
from app.journal.routes import router as journal_router
from app.lance.indexes import LanceIndexes
from app.models.cached import QuestionCache
from app.models.registry import create_embedders, create_generator, create_reranker
from app.moves.routes import router as moves_router
from app.profiles.explain_routes import router as explain_router
from app.profiles.routes import router as profiles_router
from app.rag.ai_routes import router as ai_router
from app.rag.routes import router as rag_router
from app.rag.service import Rag
from app.settings import Settings
from app.storage.object_routes import router as objects_router
from app.storage.profile_routes import router as profile_buckets_router
from app.storage.routes import migrate_router
from app.storage.routes import router as storage_router
from app.storage.service import open_storage
from app.tombstones.erasure_routes import router as erasures_router
from app.tombstones.routes import router as tombstones_router
from app.trials.bench import sweep_copies
from app.trials.routes import router as trials_router
from app.vectors.activation_models import Activation
from app.vectors.calibration import Calibration
from app.vectors.once import Once
from app.vectors.refresh_routes import router as refresh_router
from app.vectors.routes import router as vectors_router
from app.vectors.search import Searcher
from app.versions.adapter_routes import router as adapters_router
from app.versions.adapters import adapter_source
from app.versions.routes import router as versions_router
from app.views.routes import router as views_router
from app.web.health import router as health_router
from app.web.identity import guard_identity, provide_database, provide_principal
from app.web.openapi import OPENAPI, close_request_schemas
from app.web.parameters import guard_parameters
from app.web.problems import EXCEPTION_HANDLERS
from app.worker import build_queue

ROUTERS = [
    health_router,
    access_router,
    roles_router,
    users_router,
    catalog_router,
    delta_router,
    moves_router,
    views_router,
    tombstones_router,
    erasures_router,
    profiles_router,
    explain_router,
    ingest_router,
    jobs_router,
    journal_router,
    vectors_router,
    rag_router,
    ai_router,
    refresh_router,
    trials_router,
    versions_router,
    adapters_router,
    analytics_router,
    cache_router,
    storage_router,
    objects_router,
    migrate_router,
    profile_buckets_router,
]


def create_app(settings: Settings, dsn: str, *, with_worker: bool = False) -> Litestar:
    """The API over the database at `dsn` (the service login's), which is opened and checked when the app starts.

    `with_worker` runs jobs in the same process, which must be the only one on this database (`lakeward up`).
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        database = await open_database(dsn, settings)
        embedders = create_embedders(settings.models)
        calibration = Calibration(database)
        activations = Once[Activation]()
        generator = create_generator(settings.models.generate)
        reranker = create_reranker(settings.models.rerank)
        storage = open_storage(settings, database)
        analytics = Analytics(database, Places(storage), settings.cache.limit_bytes)
        worker: asyncio.Task[None] | None = None
        try:
            await verify(database.owner(timeout_ms=60_000))
            await ensure_admin_key(database, settings.admin_key_file)
            app.state.settings = settings
            app.state.database = database
            embedders.sources.append(adapter_source(database))
            app.state.embedders = embedders
            app.state.calibration = calibration
            app.state.authenticator = KeyAuthenticator(database)
            app.state.lance = LanceIndexes(database, settings.home)
            app.state.activations = activations
            app.state.searcher = Searcher(
                database,
                embedders,
                calibration,
                reranker,
                questions=QuestionCache(),
                lance=app.state.lance,
                keep_questions=settings.audit.keep_questions,
            )
            app.state.generator = generator
            app.state.reranker = reranker
            app.state.rag = Rag(database, app.state.searcher, generator)
            calibration.start()
            app.state.storage = storage
            await storage.start()
            app.state.places = analytics.places
            app.state.analytics = analytics
            analytics.start()
            warming = Warming(analytics, settings.query)
            storage.mounts.on_activate.append(warming.warm)
            storage.mounts.on_deactivate.append(warming.forget)
            if with_worker:
                await sweep_copies(database)
                await sweep_leftovers(database, settings.home / "uploads")
                queue = build_queue(database, embedders, settings, storage)
                worker = asyncio.create_task(queue.run(exclusive=True), name="worker")
            yield
        finally:
            if worker is not None:
                worker.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await worker
            await analytics.close()
            await storage.close()
            await calibration.close()
            await activations.close()
            await embedders.close()
            for model in (generator, reranker):
                if model is not None:
                    await model.close()
            await database.close()

    app = Litestar(
        route_handlers=ROUTERS,
        guards=[guard_identity, guard_parameters],
        dependencies={
            "principal": Provide(provide_principal, sync_to_thread=False),
            "database": Provide(provide_database, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        after_exception=[Refusals()],
        lifespan=[lifespan],
        openapi_config=OPENAPI,
        request_max_body_size=settings.api.max_body_bytes,
        # the CLI and the tests are run without a terminal to colour for
        logging_config=None,
    )
    close_request_schemas(app)
    return app
