"""The application: routes, problems, documentation, headers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.access.audit import Audit
from api.access.gate import Gate, without_key_too
from api.docs import POLICY, docs_page
from api.heads import HeadAsGet
from api.problems import add_problem_handlers
from api.routes import add_routes
from api.service import Service
from lake.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Make the application; the lake is opened when the first question comes.

    Args:
        settings: Where the lake is, the limits of a question, who may ask.

    Raises:
        SettingsError: A setting of keys or tokens does not fit.
    """
    service = Service(settings)
    gate = Gate(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()
        gate.close()

    app = FastAPI(
        title="flowlake",
        summary="Accepted and rejected VPC traffic, with how complete it is.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.gate = gate
    add_problem_handlers(app)
    add_routes(app, service)
    without_key_too(app)

    @app.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        page = docs_page(str(request.base_url))
        return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})

    @app.middleware("http")
    async def safe_headers(
        request: Request, respond: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await respond(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    # Inside the next, HEAD finds the routes of GET; outermost is what is noted.
    app.add_middleware(HeadAsGet)
    app.add_middleware(Audit, audit=gate.audit)
    return app
