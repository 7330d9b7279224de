"""Traces, where they are asked for: spans of a run's steps and of requests.

OpenTelemetry is an extra (``flowlake[traces]``); it is configured by its own variables,
``OTEL_EXPORTER_OTLP_ENDPOINT`` and the others. Without `FLOWLAKE_TRACES` nothing of it
is imported and a span costs a call.

Source:
    OpenTelemetry specification, "OpenTelemetry Environment Variables".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

Step = TypeVar("Step")
_tracer: Any = None
_provider: Any = None


@contextmanager
def started(name: str) -> Iterator[str | None]:
    """Trace what happens within, if it is asked for; what is left is sent at the end.

    Args:
        name: Of the root span.

    Yields:
        The trace's id, 32 hexadecimal digits; None if nothing is traced.
    """
    if not start():
        yield None
        return
    try:
        with span(name) as root:
            yield f"{root.get_span_context().trace_id:032x}"
    finally:
        stop()


def start() -> bool:
    """Begin to trace where the settings ask for it; say whether it is traced.

    Raises:
        SettingsError: It is asked for and OpenTelemetry is not installed.
    """
    global _tracer, _provider  # a process has one tracer
    from lake.errors import SettingsError
    from lake.settings import load_settings

    if _tracer is None and load_settings().traces:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise SettingsError(
                "FLOWLAKE_TRACES needs OpenTelemetry: pip install 'flowlake[traces]'"
            ) from None
        resource = Resource.create({"service.name": "flowlake"})
        _provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        _tracer = _provider.get_tracer("flowlake")
    return _tracer is not None


def stop() -> None:
    """Send what is left, and trace no more."""
    global _tracer, _provider  # a process has one tracer
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


@contextmanager
def span(
    name: str, *, parent: Mapping[str, str] | None = None, **attributes: Any
) -> Iterator[Any]:
    """Time one step; an exception that leaves it is recorded.

    Args:
        name: What is done.
        parent: Headers of a request that may name the caller's span.
        attributes: What is known of it.

    Yields:
        The span, or None where nothing is traced.
    """
    if _tracer is None:
        yield None
        return
    context = None
    if parent is not None:
        from opentelemetry.trace.propagation import tracecontext

        context = tracecontext.TraceContextTextMapPropagator().extract(parent)
    with _tracer.start_as_current_span(
        name, context=context, attributes=attributes
    ) as begun:
        yield begun


def each(name: str, steps: Iterable[Step]) -> Iterator[Step]:
    """Yield what is made step by step, the making of each in a span.

    Nothing of a step is held while the next is made.
    """
    steps = iter(steps)
    while True:
        with span(name):
            made = next(steps, None)
        if made is None:
            return
        yield made
        del made
