"""The application: routes, problems, documentation, and what every request passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from api.access.audit import Audit
from api.access.gate import Gate, without_key_too
from api.bodies import BodyLimit, Compressed
from api.docs import docs_page, docs_policy
from api.handlers import add_problem_handlers
from api.heads import HeadAsGet
from api.hosts import LocalHosts
from api.openapi import complete
from api.requests import Requests
from api.routes import add_routes
from api.service import Service
from api.throttles import RateFields
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
        redirect_slashes=False,  # a redirect would be to wherever Host says
        lifespan=lifespan,
    )
    app.state.gate = gate
    add_problem_handlers(app)
    add_routes(app, service)
    _add_docs(app)
    complete(app)
    without_key_too(app)
    # The last one is outermost: what is noted. Inside HEAD, all methods are GET.
    app.add_middleware(RateFields)
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    app.add_middleware(Compressed)
    app.add_middleware(LocalHosts, gate=gate)
    app.add_middleware(Requests, requested=service.requested)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Audit, audit=gate.audit)
    return app


def _add_docs(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def start() -> RedirectResponse:
        return RedirectResponse("docs")

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        page = docs_page(str(request.base_url))
        return HTMLResponse(page, headers={"Content-Security-Policy": docs_policy()})
