"""AWS delivers: objects and their events, when they are due."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.soak.spec import Clock
from tests.e2e.soak.world import LISTED, QUEUED, Delivery

BUCKET = "logs"


class Deliverer:
    """Writes objects when they are due, in a thread of its own.

    Args:
        s3, sqs: Clients of the servers themselves: AWS does not falter here.
        clock: The soak's.
        world: Where the objects are.
        due: What comes when.

    Attributes:
        queue: The URL of the queue of events.
        records, flows, objects: What has been delivered, at most: counted before it
            is written.
        came: When each object first was there; seconds since 1970.
        queued: Those that no listing finds.
        kinds: How many came in which way.
        ticks: How many came in which tick.
    """

    def __init__(
        self, s3: Any, sqs: Any, clock: Clock, world: Path, due: list[Delivery]
    ) -> None:
        self._s3, self._clock, self._world, self._due = s3, clock, world, due
        self._thread = threading.Thread(target=self._deliver)
        self.queue = _notified_queue(s3, sqs)
        self.records = self.flows = self.objects = 0
        self.came: dict[str, float] = {}
        self.queued: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.ticks: Counter[int] = Counter()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until everything was delivered."""
        self._thread.join()

    def _deliver(self) -> None:
        for one in self._due:
            self._clock.wait_for(self._clock.due_s(one.due))
            self.records += one.records
            self.flows += one.flows
            self.objects += one.identity not in self.came
            self.kinds[one.how] += 1
            self.ticks[int(self._clock.elapsed_s // self._clock.spec.tick_s)] += 1
            before = time.time()
            body = (self._world / one.body).read_bytes()
            self._s3.put_object(Bucket=BUCKET, Key=one.key, Body=body)
            if one.identity not in self.came:
                self.came[one.identity] = before
                self.queued.update([one.identity] if one.how == "queued" else [])


def _notified_queue(s3: Any, sqs: Any) -> str:
    """Make a bucket; return the queue that is told of its objects, but for copies."""
    queue: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    s3.create_bucket(Bucket=BUCKET)
    rules = [
        {
            "QueueArn": asked["Attributes"]["QueueArn"],
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
        }
        for prefix in (LISTED, QUEUED)
    ]
    wanted = {"QueueConfigurations": rules}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration=wanted
    )
    return queue


def messages_left(sqs: Any, queue: str) -> int:
    """Return how many messages a queue holds, hidden ones too."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    asked = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    return sum(int(asked["Attributes"][name]) for name in names)
