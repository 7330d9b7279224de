"""Every route of the service."""

from __future__ import annotations

from fastapi import FastAPI

from api.explain import explain_routes
from api.health import health_routes
from api.identities import identity_routes
from api.metrics import metrics_routes
from api.reports import flow_routes, report_routes
from api.service import Service
from api.sql_route import add_sql


def add_routes(app: FastAPI, service: Service) -> None:
    """Add every route to the application."""
    app.include_router(health_routes(service))
    app.include_router(metrics_routes(service))
    app.include_router(report_routes(service))
    app.include_router(flow_routes(service))
    app.include_router(identity_routes(service))
    app.include_router(explain_routes(service))
    add_sql(app, service)
