"""Labels of Kubernetes that may be kept: those whose keys the settings name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

import pyarrow as pa

from ingest.inventory.sighting import Sighting

EVERY = "*"
# By resource type, the part of a document that has labels.
_PARTS = {"k8s_workload": "labels", "k8s_service": "selector"}


def with_labels(sighting: Sighting, globs: Sequence[str]) -> Sighting:
    """Return a sighting without the labels that are not to be kept.

    Args:
        sighting: What was seen.
        globs: Keys that are kept: ``app``, ``app.kubernetes.io/*``.
    """
    if EVERY in globs or not sighting.scope.startswith("kubernetes:"):
        return sighting
    rows = sighting.configurations
    texts = pa.array(
        [
            _kept(type_, text, globs)
            for type_, text in zip(
                rows["resource_type"].to_pylist(),
                rows["document"].to_pylist(),
                strict=True,
            )
        ],
        pa.string(),
    )
    place = rows.schema.get_field_index("document")
    return replace(
        sighting,
        configurations=rows.set_column(place, rows.schema.field(place), texts),
    )


def _kept(type_: str, text: str, globs: Sequence[str]) -> str:
    part = _PARTS.get(type_)
    if part is None:
        return text
    document = json.loads(text)
    document[part] = {
        key: value
        for key, value in document.get(part, {}).items()
        if any(fnmatchcase(key, glob) for glob in globs)
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
