"""The tags of many interfaces at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.inventory.aws.columns import fields_of, items_of, spread, told


class Tags:
    """The tags of all interfaces, flat."""

    def __init__(self, tag_sets: Any, size: int) -> None:
        items, self._parents = items_of(tag_sets)
        self._keys = fields_of(items, "Key")
        self._values = told(fields_of(items, "Value"))
        self._size = size

    def of(self, key: str) -> Any:
        """Return the tag of one key, null where there is none."""
        return self._spread(pc.equal(self._keys, key), self._values)

    def below(self, prefix: str) -> Any:
        """Return what follows a prefix in a tag's key."""
        rest = pc.utf8_slice_codeunits(self._keys, len(prefix))
        return self._spread(pc.starts_with(self._keys, prefix), rest)

    def _spread(self, mask: Any, values: Any) -> Any:
        places = np.flatnonzero(np.asarray(pc.fill_null(mask, False)))
        return spread(self._size, self._parents[places], values.take(pa.array(places)))
