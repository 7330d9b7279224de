"""What a principal may see: some accounts, VPCs and namespaces, or all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer is limited to; an empty set limits nothing.

    An end of a record is in scope if it fits every set that is not empty.

    Attributes:
        accounts: Account ids.
        vpcs: VPC ids.
        namespaces: Kubernetes namespaces, as ``name`` or ``cluster/name``.
    """

    accounts: frozenset[str] = frozenset()
    vpcs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    @property
    def is_unlimited(self) -> bool:
        """Whether everything may be seen."""
        return not (self.accounts or self.vpcs or self.namespaces)

    @property
    def by_namespace(self) -> bool:
        """Whether only some namespaces may be seen, of which no interface is."""
        return bool(self.namespaces)

    @property
    def key(self) -> str:
        """A text that equal limits share, for caches and cursors; empty: unlimited."""
        if self.is_unlimited:
            return ""
        return json.dumps(
            {
                "accounts": sorted(self.accounts),
                "vpcs": sorted(self.vpcs),
                "namespaces": sorted(self.namespaces),
            }
        )


UNLIMITED = Limits()
