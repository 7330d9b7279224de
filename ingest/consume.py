"""Following a queue of S3 events: gather, load, and only then delete."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ingest.events import parse_events
from ingest.known import Known
from ingest.listing import Selection
from ingest.load import Loader
from ingest.plan import Plan, make_plan
from ingest.source import SourceObject
from ingest.sqs import Heartbeat, Message, Queue
from ingest.stop import Stop
from lake.catalog import Lake
from lake.errors import NotAnEvent

log = structlog.get_logger()

LONG_POLL_S = 20  # SQS's longest
LAST_POLL_S = 2  # any wait at all makes SQS ask every server that it has
HIDDEN_S = 300  # after a crash, messages are seen again so much later
BEAT_S = HIDDEN_S / 3  # the 20,000 messages of a full batch are 2,000 calls a beat


@dataclass(slots=True)
class Hand:
    """The messages gathered for one batch.

    Attributes:
        received: Messages, those that are no events among them.
        held: Of each message that is, its receipt and its objects' identities.
        objects: What the messages say was created, as far as it is selected.
        size: The objects' bytes.
        ignored: Events that say of no new log.
        unwanted: Objects that are not selected.
    """

    received: int = 0
    held: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    objects: list[SourceObject] = field(default_factory=list)
    size: int = 0
    ignored: int = 0
    unwanted: int = 0

    def plan(self, known: Known) -> Plan:
        """Plan the objects, each as the last event about it says.

        An earlier one's etag is no longer that of the object.
        """
        oldest_first = sorted(self.objects, key=lambda source: source.modified)
        latest = {source.location: source for source in oldest_first}
        plan = make_plan(known, [list(latest.values())])
        plan.skipped += len(self.objects) - len(latest)
        return plan


class Consumer:
    """Loads what a queue's messages name; messages are deleted once that is stored.

    Args:
        lake: The open lake.
        loader: Loads the objects; its summary counts.
        queue: The queue.
        selection: Which objects are wanted.
        until_empty: End when the queue has nothing more, not only when asked to.
        stop: Asks for the end.
        on_plan: Called with each plan.
        between: Called every ``queue_settle_s`` or so, while no message is in hand.
        clock: Seconds.
    """

    def __init__(
        self,
        lake: Lake,
        loader: Loader,
        queue: Queue,
        *,
        selection: Selection,
        until_empty: bool,
        stop: Stop,
        on_plan: Callable[[Plan], None] = lambda plan: None,
        between: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lake = lake
        self._loader = loader
        self._queue = queue
        self._selection = selection
        self._until_empty = until_empty
        self._stop = stop
        self._on_plan = on_plan
        self._between = between
        self._clock = clock

    def run(self) -> None:
        """Follow the queue to its end.

        Raises:
            SourceError: The queue cannot be read, or messages not deleted.
            LakeError: The lake cannot be read or written; nothing is lost.
        """
        every_s = self._lake.settings.queue_settle_s
        deleted, due = 1, self._clock() + every_s
        # Messages that stay are seen again and again; they keep no run from its end.
        while not self._stop.asked and (deleted or not self._until_empty):
            deleted = self._round()
            if self._clock() >= due and not self._stop.asked:
                self._between()
                due = self._clock() + every_s

    def _round(self) -> int:
        """Gather, load and delete once; return how many messages were deleted."""
        with Heartbeat(self._queue, hidden_s=HIDDEN_S, every_s=BEAT_S) as heartbeat:
            hand = self._gather(heartbeat)
            unread = self._load(hand)
        done = [receipt for receipt, names in hand.held if unread.isdisjoint(names)]
        if hand.received:
            self._queue.delete(done)
            log.info("messages_deleted", queue=self._queue.url, count=len(done),
                     left=hand.received - len(done), ignored=hand.ignored,
                     unwanted=hand.unwanted)  # fmt: skip
        return len(done)

    def _gather(self, heartbeat: Heartbeat) -> Hand:
        """Take messages for as long as a batch has room, and not too long."""
        settings = self._lake.settings
        hand = Hand()
        until = math.inf
        while not self._stop.asked and hand.size < settings.batch_bytes:
            room = settings.batch_objects - max(len(hand.held), len(hand.objects))
            left_s = until - self._clock()
            if room <= 0 or left_s <= 0:
                break
            messages = self._receive(room, left_s)
            if not messages and (self._until_empty or not hand.received):
                break
            for message in messages:
                self._take(message, hand, heartbeat)
            if until == math.inf:
                until = self._clock() + settings.queue_gather_s
        return hand

    def _receive(self, most: int, left_s: float) -> list[Message]:
        longest = LAST_POLL_S if self._until_empty else LONG_POLL_S
        return self._stop.waiting(
            lambda: self._queue.receive(
                most=most,
                wait_s=math.ceil(min(longest, left_s)),
                hidden_s=HIDDEN_S,
            ),
            otherwise=[],
        )

    def _take(self, message: Message, hand: Hand, heartbeat: Heartbeat) -> None:
        hand.received += 1
        location = f"{self._queue.url}#{message.message_id}"
        try:
            events = parse_events(message.body, location=location)
        except NotAnEvent as error:
            log.warning("message_not_understood", location=location, why=error.detail)
            self._loader.summary.fail(error)
            return
        wanted = tuple(filter(self._selection.wants, events.objects))
        heartbeat.keep(message.receipt)
        hand.held.append((message.receipt, tuple(s.identity for s in wanted)))
        hand.objects.extend(wanted)
        hand.size += sum(source.size for source in wanted)
        hand.ignored += events.ignored
        hand.unwanted += len(events.objects) - len(wanted)

    def _load(self, hand: Hand) -> set[str]:
        """Load the objects; return the identities of those that are to come again."""
        self._loader.summary.ignored += hand.ignored
        if not hand.objects:
            return set()
        known = Known(self._lake)
        plan = hand.plan(known)
        self._on_plan(plan)
        return self._loader.load(known, plan)
