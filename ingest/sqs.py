"""One SQS queue: receive, hide, delete, and what its errors mean."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import structlog
from botocore.exceptions import ClientError

from ingest.s3 import Sleep, as_source_error, client, retrying, s3_errors
from lake.errors import SourceDenied, SourceError, SourceMissing, SourceUnavailable
from lake.settings import Settings

log = structlog.get_logger()

AT_ONCE = 10  # messages in one call: SQS's own limit
_URL = re.compile(r"https?://[^/]+/(?:[^/]+/)*[0-9]{12}/[A-Za-z0-9_-]+(?:\.fifo)?")
_REGION = re.compile(r"//(?:[^/]*\.)?sqs(?:-fips)?\.([a-z0-9-]+)\.")
_THROTTLED = {
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "KmsThrottled",
    "OverLimit",
}
_NO_QUEUE = {"NonExistentQueue", "QueueDoesNotExist"}

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received.

    Attributes:
        receipt: The handle by which this receipt, not the message, is deleted.
    """

    message_id: str
    receipt: str
    body: str


class Queue:
    """One queue; safe to use from several threads.

    Args:
        client: A boto3 SQS client.
        url: The queue's URL.
        retries: Attempts after a failed call.
        sleep: Waits between attempts; seconds.
    """

    def __init__(
        self, client: Any, url: str, *, retries: int, sleep: Sleep = time.sleep
    ) -> None:
        self.url = url
        self._client = client
        self._retries = retries
        self._sleep = sleep

    def receive(self, *, most: int, wait_s: int, hidden_s: int) -> list[Message]:
        """Take some messages, each hidden from other consumers for a while.

        Args:
            most: At most so many; SQS gives ten or fewer.
            wait_s: How long to wait for the first; 0 may miss what is there.
            hidden_s: How long they are hidden; seconds.

        Raises:
            SourceMissing: There is no such queue.
            SourceDenied: It may not be read.
            SourceUnavailable: It kept failing.
        """

        def call() -> Answer:
            return self._ask(
                "receive_message",
                MaxNumberOfMessages=max(1, min(most, AT_ONCE)),
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=hidden_s,
            )

        answer = retrying(
            call, location=self.url, retries=self._retries, sleep=self._sleep
        )
        return [
            Message(found["MessageId"], found["ReceiptHandle"], found.get("Body", ""))
            for found in answer.get("Messages", ())
        ]

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete messages; one whose receipt is refused comes back and is logged.

        Raises:
            SourceError: As `receive` does.
        """
        for ten in _tens(receipts):
            left = list(ten)

            def call(left: list[str] = left) -> None:
                left[:] = self._delete(left)
                if left:
                    raise SourceUnavailable(self.url, f"{len(left)} were not deleted")

            retrying(call, location=self.url, retries=self._retries, sleep=self._sleep)

    def hide(self, receipts: Sequence[str], *, hidden_s: int) -> None:
        """Hide up to ten messages for so many seconds from now; tries once.

        Raises:
            SourceError: As `receive` does.
        """
        answer = self._ask(
            "change_message_visibility_batch",
            Entries=[
                {"Id": str(n), "ReceiptHandle": receipt, "VisibilityTimeout": hidden_s}
                for n, receipt in enumerate(receipts)
            ],
        )
        for failed in answer.get("Failed", ()):
            log.warning("message_not_hidden", queue=self.url, code=failed.get("Code"))

    def _delete(self, receipts: Sequence[str]) -> list[str]:
        """Return those that another attempt may delete."""
        answer = self._ask(
            "delete_message_batch",
            Entries=[
                {"Id": str(n), "ReceiptHandle": receipt}
                for n, receipt in enumerate(receipts)
            ],
        )
        again = []
        for failed in answer.get("Failed", ()):
            if failed.get("SenderFault"):
                log.warning(
                    "message_not_deleted", queue=self.url, code=failed.get("Code")
                )
            else:
                again.append(receipts[int(failed["Id"])])
        return again

    def _ask(self, name: str, **arguments: Any) -> Answer:
        try:
            call = getattr(self._client, name)
            answer: Answer = call(QueueUrl=self.url, **arguments)
        except s3_errors() as error:
            raise _as_queue_error(error, self.url) from error
        return answer


class Heartbeat:
    """Keeps messages hidden from other consumers for as long as they are worked on.

    A context manager with a thread of its own. A beat that fails is logged and no
    more: a message read twice is found in the ledger.

    Args:
        queue: The queue.
        hidden_s: How long a beat hides messages; seconds.
        every_s: Seconds between beats.
    """

    def __init__(self, queue: Queue, *, hidden_s: int, every_s: float) -> None:
        self._queue = queue
        self._hidden_s = hidden_s
        self._every_s = every_s
        self._lock = threading.Lock()
        self._receipts: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hide", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def keep(self, receipt: str) -> None:
        """Hide this message too, from the next beat on."""
        with self._lock:
            self._receipts.append(receipt)

    def _run(self) -> None:
        while not self._stopped.wait(self._every_s):
            with self._lock:
                held = list(self._receipts)
            for ten in _tens(held):
                if self._stopped.is_set():
                    return
                self._beat(ten)

    def _beat(self, ten: Sequence[str]) -> None:
        try:
            self._queue.hide(ten, hidden_s=self._hidden_s)
        except SourceError as error:
            log.warning("messages_not_hidden", queue=self._queue.url, why=str(error))


def open_queue(settings: Settings, url: str) -> Queue:
    """Return a queue by its URL, which names the Region too.

    Raises:
        SourceMissing: It is no queue's URL.
        SettingsError: The AWS configuration cannot be used.
    """
    if _URL.fullmatch(url) is None:
        raise SourceMissing(
            url, "It is no queue's URL: `aws sqs get-queue-url` prints it."
        )
    named = _REGION.search(url)
    made = client(settings, "sqs", region=named[1] if named else None)
    return Queue(made, url, retries=settings.s3_retries)


def _tens(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(receipts), AT_ONCE):
        yield receipts[begin : begin + AT_ONCE]


def _as_queue_error(error: Exception, url: str) -> SourceError:
    found = as_source_error(error, url)
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", "")).rpartition(".")[2]
        if code in _NO_QUEUE:
            return SourceMissing(
                url, f"{code}: check the account, Region and name in the URL."
            )
        if code in _THROTTLED:
            return SourceUnavailable(url, code)
    if isinstance(found, SourceDenied):
        return SourceDenied(
            url,
            f"{found.detail}: allow sqs:ReceiveMessage, sqs:DeleteMessage and "
            "sqs:ChangeMessageVisibility on the queue.",
        )
    return found
