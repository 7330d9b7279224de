"""Where a run's metrics go: a file for node_exporter, or a Pushgateway."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit

import structlog

from lake.errors import FlowlakeError
from lake.settings import Settings, load_settings
from lake.signals.families import registry_of
from lake.signals.metrics import METRICS, Values
from lake.signals.run import Run

log = structlog.get_logger()

PUSH_TIMEOUT_S = 10.0
JOB = "flowlake"
# What the next run takes over from the file, where it has no value of its own.
LASTING = ("flowlake_run_succeeded_timestamp_seconds", "flowlake_ingest_lag_seconds")


def hand_over(run: Run) -> None:
    """Write and push a run's metrics; what fails is a warning, not the run's failure.

    Args:
        run: That has ended.
    """
    try:
        settings = load_settings()
    except FlowlakeError:
        return  # the command has said so
    if settings.metrics_dir is not None:
        _write(Path(settings.metrics_dir), run, _labels(settings, run))
    if settings.pushgateway is not None:
        _push(settings.pushgateway, run.values, _labels(settings, run))


def file_name(labels: Mapping[str, str]) -> str:
    """Return the name of a run's file: one for each lake and command."""
    return f"flowlake_{labels['lake']}_{labels['command']}.prom"


def _labels(settings: Settings, run: Run) -> dict[str, str]:
    return {"lake": settings.namespace, "command": run.command}


def _write(folder: Path, run: Run, labels: Mapping[str, str]) -> None:
    from prometheus_client import write_to_textfile

    path = folder / file_name(labels)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        values = {**_lasting(path), **run.values}
        write_to_textfile(str(path), registry_of(values, labels))
    except OSError as error:
        log.warning("metrics_not_written", file=str(path), error=str(error),
                    do="check FLOWLAKE_METRICS_DIR")  # fmt: skip


def _lasting(path: Path) -> Values:
    """Return what the last run's file says of runs before it."""
    from prometheus_client.parser import text_string_to_metric_families

    if not path.exists():
        return {}
    found: Values = {}
    try:
        for family in text_string_to_metric_families(path.read_text()):
            if family.name in LASTING:
                names = METRICS[family.name].labels
                found[family.name] = {
                    tuple(sample.labels[name] for name in names): sample.value
                    for sample in family.samples
                }
    except (ValueError, KeyError) as error:
        log.warning("metrics_not_understood", file=str(path), error=str(error)[:200])
    return found


def _push(gateway: str, values: Values, labels: Mapping[str, str]) -> None:
    from prometheus_client import pushadd_to_gateway
    from prometheus_client.exposition import basic_auth_handler, default_handler

    try:
        place, *known = _place_and_who(gateway)
        pushadd_to_gateway(
            place,
            job=JOB,
            grouping_key=dict(labels),
            registry=registry_of(values, {}),
            timeout=PUSH_TIMEOUT_S,
            handler=(
                partial(basic_auth_handler, username=known[0], password=known[1])
                if known
                else default_handler
            ),
        )
    except (OSError, ValueError, HTTPException) as error:
        log.warning("metrics_not_pushed", error=str(error)[:200],
                    do="check FLOWLAKE_PUSHGATEWAY")  # fmt: skip


def _place_and_who(gateway: str) -> tuple[str, ...]:
    """Return a gateway's URL, then the user and the password that it names, if any.

    Raises:
        ValueError: It is no URL.
    """
    parts = urlsplit(gateway)
    who, at, place = parts.netloc.rpartition("@")
    if not at:
        return (gateway,)
    user, _, password = who.partition(":")
    return parts._replace(netloc=place).geturl(), unquote(user), unquote(password)
