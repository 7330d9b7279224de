"""The command that serves."""

from __future__ import annotations

import gc
from typing import Annotated

import structlog
import typer
import uvicorn

from api.app import create_app
from api.hosts import trusted_proxies
from lake.settings import load_settings
from lake.signals import traces
from queries.isolated.barrier import NONE
from queries.isolated.process import Isolation

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

    Without keys (`flowlake keys create`) or an OIDC issuer everybody on this machine
    is served, and nobody beyond it: another --host than loopback then does not start.
    """
    settings = load_settings(host=host, port=port)
    proxies = trusted_proxies(settings)
    if settings.sql_enabled:
        barrier = Isolation(settings).check()
        (log.info if barrier != NONE else log.warning)("sql_enabled", barrier=barrier)
    app = create_app(settings)
    app.state.gate.check()
    traces.start()
    gc.freeze()  # what is there now stays: else each full collection takes 100 ms
    try:
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            server_header=False,
            access_log=False,  # our own names the request
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
        )
    finally:
        traces.stop()
