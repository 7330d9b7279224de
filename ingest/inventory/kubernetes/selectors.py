"""Which service a pod belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ingest.inventory.kubernetes.facts import Pod, Service


class Selectors:
    """Services by what they select; a lookup does not slow with their number.

    Args:
        services: Those without a selector match nothing.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        # A service is found by the first of its labels; the others are then compared.
        self._found: dict[tuple[str, str, str], list[Service]] = defaultdict(list)
        for service in services:
            if service.selector:
                label, value = min(service.selector.items())
                self._found[service.namespace, label, value].append(service)

    def service_of(self, pod: Pod) -> str | None:
        """Return the name of the pod's service; of several the first by name."""
        names = (
            service.name
            for label, value in pod.labels.items()
            for service in self._found.get((pod.namespace, label, value), ())
            if selects(service, pod)
        )
        return min(names, default=None)


def selects(service: Service, pod: Pod) -> bool:
    """Return whether a service's selector matches a pod of its namespace."""
    return (
        bool(service.selector)
        and service.namespace == pod.namespace
        and service.selector.items() <= pod.labels.items()
    )
