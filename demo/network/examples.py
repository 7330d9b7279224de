"""AWS's published examples, sent through the world's own rules of recording.

Source:
    AWS VPC User Guide, "Flow log record examples".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from demo import world as small
from demo.network.atlas import NOBODY, Atlas
from demo.network.fields import Names, columns_of
from demo.network.ground import Ground, Interface, Party, Subnet, Vpc
from demo.network.logs import Subscription, coverage
from demo.network.paths import Ends, Outcome, Way
from demo.network.recording import record
from demo.network.streams import Window, passes_of
from demo.objects import FlowLog, text_lines

VPC = "example"
_NOT_SKIPPED = np.array([], int)


@dataclass(frozen=True, slots=True)
class Sent:
    """One stream of packets.

    Attributes:
        source, target: A role of the example's VPC, or an address outside.
        middle_port: What a NAT gateway puts in the place of a port.
    """

    way: Way
    source: str
    target: str
    ports: tuple[int, int] = (0, 0)
    protocol: int = 6
    packets: int = 1
    bytes: int = 40
    start: int = 0
    end: int = 0
    flags: int = 0
    outcome: Outcome = Outcome()  # noqa: RUF009  # it is frozen
    reply: bool = False
    middle_port: int = 0


class Example:
    """A few interfaces and one flow log of one VPC."""

    def __init__(
        self, fields: tuple[str, ...], account: str, region: str, vpc: str
    ) -> None:
        self._fields, self._outside = fields, dict[str, list[str]]()
        self.ground = Ground(0, 0, 1)
        self.ground.vpcs[VPC] = Vpc(vpc, VPC, account, region, ("10.0.0.0/8",))
        self._home = small.Vpc(vpc, account, region, "10.0.0.0/8", (), VPC)

    def stand(
        self,
        role: str,
        address: str,
        eni: str = "",
        *,
        subnet: str = "",
        zone: str = "",
        instance: str | None = None,
        address6: str | None = None,
        resource: str | None = None,
    ) -> None:
        """Add what plays a role: its interface, or a regional NAT gateway."""
        place = Subnet(subnet, subnet, VPC, "10.0.0.0/8", zone)
        interface = self.ground.interface(
            Interface(
                id=eni,
                vpc=VPC,
                subnet=place,
                address=address,
                kind="regional_nat_gateway" if resource else "interface",
                instance=instance,
                address6=address6,
                resource=resource,
            )
        )
        slot = self.ground.slot(VPC, role)
        held = address6 or address
        self.ground.party(Party("instance", role, held, interface, slot))

    def outside(self, pool: str, address: str) -> None:
        """Add an address that is nobody's here, of an AWS service or any other."""
        self._outside.setdefault(pool, []).append(address)

    def lines(self, *sent: Sent) -> list[str]:
        """Return the flow log's lines, header first, of what was sent."""
        atlas = Atlas(self.ground, self._outside)
        log = Subscription(
            FlowLog("fl-example", self._home, self._fields, "plain"),
            (VPC,),
            self._home.id,
        )
        resources = [i.resource for i in self.ground.interfaces if i.resource]
        logs = [log, *(Subscription(log.delivery, (VPC,), r) for r in resources)]
        window = _window(atlas, sent)
        records = record(
            atlas, window, coverage(self.ground, atlas, logs), _NOT_SKIPPED, None
        )
        columns = columns_of(atlas, Names(atlas), window, records, log)
        return text_lines(columns, self._fields).decode().splitlines()


def _window(atlas: Atlas, sent: tuple[Sent, ...]) -> Window:
    passes = []
    for number, one in enumerate(sent):
        hops = one.way(atlas, _ends(atlas, one))
        stream = np.array([number])
        passes += list(passes_of(hops, one.outcome, stream, one.protocol))
    numbers = np.arange(len(sent))
    pieces = {
        "first": np.array([s.start for s in sent]),
        "last": np.array([s.end for s in sent]),
        "packets": np.array([s.packets for s in sent]),
        "bytes": np.array([s.bytes for s in sent]),
        "flags": np.array([s.flags for s in sent]),
    }
    streams = {
        "first_piece": numbers,
        "count": np.ones(len(sent), int),
        "talk": numbers,
    }
    joined = {key: np.concatenate([p[key] for p in passes]) for key in passes[0]}
    return Window(streams, pieces, joined, [s.outcome for s in sent])


def _ends(atlas: Atlas, sent: Sent) -> Ends:
    source, target = _end(atlas, sent.source), _end(atlas, sent.target)
    return Ends(
        source=source[0],
        target=target[0],
        source_holder=source[1],
        target_holder=target[1],
        source_interface=source[2],
        target_interface=target[2],
        source_address=source[3],
        target_address=target[3],
        source_port=np.array([sent.ports[0]]),
        target_port=np.array([sent.ports[1]]),
        middle_port=np.array([sent.middle_port]),
        entry_port=np.array([0]),
        reply=sent.reply,
        serial=np.array([0]),
    )


def _end(atlas: Atlas, name: str) -> tuple[Any, Any, Any, Any]:
    if (VPC, name) in atlas.pools:
        party = np.array([atlas.one(VPC, name)])
        return party, party, atlas.interface[party], atlas.address[party]
    nobody = np.array([NOBODY])
    return nobody, nobody, nobody, np.array([atlas.addresses.index(name)])
