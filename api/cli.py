"""The command that serves."""

from __future__ import annotations

import ipaddress
from typing import Annotated

import structlog
import typer
import uvicorn

from api.app import create_app
from lake.settings import load_settings

log = structlog.get_logger()


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default 127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; default 8080, 0: any free one")
    ] = None,
) -> None:
    """Serve the reports over REST until interrupted; documentation at /docs.

    There is no authentication: keep it on loopback, or put a proxy that has one in
    front of it.
    """
    settings = load_settings(host=host, port=port)
    if not _is_loopback(settings.host):
        log.warning("serving_without_authentication", host=settings.host)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
