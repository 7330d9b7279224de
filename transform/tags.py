"""Tags that records carry: names and owners, by the keys of their flow log.

A record holds the values alone; which keys they are of, the flow log tells
(``TagFieldSpecifications``, in the order of its keys).

Source:
    AWS VPC User Guide, "Flow log records", fields of version 11: values are UTF-8,
    percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from transform.codes import NONE, Coded, column_of

# Those nearest to the interface come first.
FIELDS = {
    "network-interface": ("interface_tag", "interface_tag_2"),
    "instance": ("instance_tag", "instance_tag_2"),
    "auto-scaling-group": ("asg_tag", "asg_tag_2"),
}
NAME = "Name"


def tagged(
    rows: pa.Table, documents: Sequence[Mapping[str, Any]], key: str
) -> Coded | None:
    """Return each row's value of a tag key; None if no row carries one.

    Args:
        rows: Of `flows`.
        documents: Flow logs, as `DescribeFlowLogs` shows them.
        key: Of the tag.
    """
    log = column_of(rows, "flow_log_id")
    words: dict[str, int] = {}
    found = np.full(rows.num_rows, NONE, np.int32)
    for field, logs in _fields_of(documents, key).items():
        column = column_of(rows, field)
        if not len(column.words):
            continue
        texts = [unquote(text or "") for text in column.words.to_pylist()]
        codes = [words.setdefault(text, len(words)) for text in texts]
        mine = np.array([*(w in logs for w in log.words.to_pylist()), False])[log.codes]
        values = np.array([*codes, NONE], np.int32)[column.codes]
        found = np.where((found < 0) & mine, values, found)
    if not words:
        return None
    return Coded(found, pa.array(list(words), pa.string()))


def _fields_of(documents: Sequence[Mapping[str, Any]], key: str) -> dict[str, set[str]]:
    """Return which fields hold a key's values, and in which flow logs."""
    found: dict[str, set[str]] = {}
    for resource, fields in FIELDS.items():
        for document in documents:
            for told in document.get("TagFieldSpecifications") or ():
                keys = list(told.get("TagKeys") or ())
                if told.get("ResourceType") == resource and key in keys[: len(fields)]:
                    field = fields[keys.index(key)]
                    found.setdefault(field, set()).add(str(document.get("FlowLogId")))
    return found
