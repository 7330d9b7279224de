"""The application: routes, problems, documentation, headers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.docs import POLICY, docs_page
from api.heads import HeadAsGet
from api.problems import add_problem_handlers
from api.routes import add_routes
from api.service import Service
from lake.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Make the application; the lake is opened when the first question comes.

    Args:
        settings: Where the lake is, and the limits of a question.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="flowlake",
        summary="Accepted and rejected VPC traffic, with how complete it is.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    add_problem_handlers(app)
    add_routes(app, service)

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

    # Outermost, so that HEAD finds the routes of GET.
    app.add_middleware(HeadAsGet)
    return app
