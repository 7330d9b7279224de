"""A change to what is configured: a rule or an entry added, or taken away."""

from __future__ import annotations

from dataclasses import dataclass

from transform.policy.rules import Rule


@dataclass(frozen=True, slots=True)
class Change:
    """One rule of a security group, or one entry of a network ACL, more or less.

    Attributes:
        resource: The id of the group (``sg-…``) or network ACL (``acl-…``).
        inbound: Whether it is about what comes in.
        rule: What is added or taken away; of a network ACL it has a number.
        adds: False: it is taken away.
    """

    resource: str
    inbound: bool
    rule: Rule
    adds: bool = True

    def text(self) -> str:
        """Return it in words: ``sg-0a: add inbound tcp/5432 from sg-0b``."""
        verb = "add" if self.adds else "remove"
        way = "inbound" if self.inbound else "outbound"
        what = self.rule.text(inbound=self.inbound)
        if self.rule.number is not None:
            does = "allows" if self.rule.allows else "denies"
            what = f"rule {self.rule.number} {does} {what}"
        return f"{self.resource}: {verb} {way} {what}"
