"""Every error that flowlake raises on purpose.

::

    FlowlakeError                 retry = False, exit_code = 1, unless a class says so
    ├─ SettingsError              exit 2   bad or missing configuration
    ├─ UsageError                 exit 2   the command's words do not fit together
    ├─ SourceError                         reading flow-log objects
    │  ├─ SourceUnavailable       retry    throttled, 5xx, connection reset
    │  ├─ SourceMissing                    deleted between listing and reading
    │  ├─ SourceDenied                     access denied
    │  ├─ SourceChanged                    rewritten between listing and reading
    │  ├─ SourceUnreadable                 no record in it can be read at all
    │  └─ NotAnEvent                       a queue's message that says nothing of S3
    ├─ LakeError                  exit 3   the stored tables
    │  ├─ LakeMissing                      nothing has been ingested here yet
    │  ├─ SchemaMismatch
    │  ├─ BadDataFile                      a file without exactly one day and hour
    │  ├─ CommitConflict          retry    the table moved on; plan again
    │  ├─ CommitUnknown                    the catalog cannot be asked what happened
    │  ├─ BatchExpired                     a batch is too old to be committed
    │  └─ FollowerStopped                  its mark is no ancestor of the head
    ├─ QueryError                 exit 2   a question that cannot be answered as put
    │  ├─ UnknownReport
    │  ├─ BadParameter
    │  │  └─ FilterError                   says where in the filter, and what is wrong
    │  ├─ NotBrought                       it needs a file of the user's
    │  ├─ NoStatement                      its report cannot be written in SQL
    │  ├─ SnapshotGone                     it has expired since a page was read of it
    │  ├─ NothingToExplain         exit 3   no record fits
    │  ├─ ResultTooLarge
    │  ├─ QueryTimeout
    │  ├─ MemoryExceeded
    │  ├─ SqlRefused                       not one SELECT of allowed parts
    │  └─ SqlDisabled                      SQL over REST is off
    ├─ AccessError                exit 2   whoever asks may not
    │  ├─ NotAuthenticated                 no key or token, or none that holds
    │  ├─ ScopeMissing
    │  ├─ LimitsMissing                    a token that does not say what it may see
    │  ├─ UnlimitedOnly                    an answer that cannot be limited
    │  └─ AccessUnavailable       retry    exit 3: keys cannot be looked up now
    └─ RequestError                        a request that the service does not take
       ├─ BadCursor                        it was changed, or is of another question
       ├─ CursorExpired                    it is too old; ask from the first page
       ├─ TooManyRequests         retry    more than the caller's rate
       └─ ServiceBusy             retry    too many questions at once, of all callers
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

FILTER_SHOWN = 4_000  # characters of a filter that its error repeats
MOST_SHOWN = 200  # and of any other value or name


class FlowlakeError(Exception):
    """The root of flowlake's errors."""

    retry = False
    exit_code = 1


class SettingsError(FlowlakeError):
    """A setting is missing or does not fit; the message names it."""

    exit_code = 2


class UsageError(FlowlakeError):
    """The words of a command do not fit together."""

    exit_code = 2


class SourceError(FlowlakeError):
    """A flow-log object could not be read.

    Attributes:
        location: Where the object lies, as ``s3://bucket/key`` or a path.
        reason: A short word for counting, such as ``access_denied``.
    """

    reason = "source_error"

    def __init__(self, location: str, detail: str = "") -> None:
        self.location = location
        self.detail = detail
        super().__init__(
            f"{location}: {self.reason.replace('_', ' ')}. {detail}".strip()
        )


class SourceUnavailable(SourceError):
    """The store throttled, failed or hung up; the same read may work later."""

    retry = True
    reason = "unavailable"


class SourceMissing(SourceError):
    """The object was deleted between listing and reading."""

    reason = "missing"


class SourceDenied(SourceError):
    """The store refused the read."""

    reason = "access_denied"


class SourceChanged(SourceError):
    """The object was rewritten between listing and reading."""

    reason = "changed_while_reading"


class SourceUnreadable(SourceError):
    """No record in the object can be read; it is quarantined whole.

    Attributes:
        code: The quarantine reason, such as ``not_a_flow_log``.
    """

    reason = "unreadable"

    def __init__(self, location: str, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(location, f"{code}: {detail}" if detail else code)


class NotAnEvent(SourceError):
    """A queue's message is no S3 event; it stays where it is.

    Attributes:
        detail: What it lacks.
    """

    reason = "not_an_event"

    def __init__(self, location: str, detail: str) -> None:
        super().__init__(
            location,
            f"{detail}; it stays on the queue until the redrive policy moves it: see "
            "what else sends there.",
        )


class LakeError(FlowlakeError):
    """The stored tables cannot be read or written as asked."""

    exit_code = 3


class LakeMissing(LakeError):
    """There is no lake at the configured place."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__(
            f"no lake at {where}: run `flowlake ingest SOURCE` first, "
            "or set FLOWLAKE_LAKE to the directory that holds one"
        )


class SchemaMismatch(LakeError):
    """A stored table's columns do not fit what this version writes."""


class BadDataFile(LakeError):
    """A data file does not lie within exactly one day and hour."""


class CommitConflict(LakeError):
    """Another writer moved the table; refresh, plan again, commit again."""

    retry = True


class CommitUnknown(LakeError):
    """A commit failed and the catalog cannot be asked whether it landed.

    Nothing is lost: the next run finds out from the snapshots themselves.
    """


class BatchExpired(LakeError):
    """A batch is older than a day, so its files may have been collected."""


class FollowerStopped(LakeError):
    """A follower's mark is no ancestor of the head of the table it follows.

    Attributes:
        table: The table that stopped.
    """

    def __init__(self, table: str, mark: int | None, head: str) -> None:
        self.table = table
        super().__init__(
            f"{table} has absorbed {head} up to snapshot {mark}, which {head} no "
            f"longer has: run `flowlake repair {table}`"
        )


class QueryError(FlowlakeError):
    """A question that cannot be answered as put."""

    exit_code = 2


class UnknownReport(QueryError):
    """No report has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = sorted(known)
        near = get_close_matches(name, self.known, n=3)
        super().__init__(
            f"no report is called {shown(name)!r}: try {', '.join(near or self.known)}"
        )


class BadParameter(QueryError):
    """A parameter's value is not allowed.

    Attributes:
        param: The parameter's name.
        value: What was given.
        allowed: What would have been right, in words.
    """

    def __init__(
        self, param: str, value: object, allowed: str, *, message: str = ""
    ) -> None:
        self.param = param
        self.value = value
        self.allowed = allowed
        told = shown(value) if isinstance(value, str) else value
        super().__init__(
            message or f"{shown(param)}={told!r} is not allowed: {allowed}"
        )


class FilterError(BadParameter):
    """A filter expression cannot be read, or does not fit its fields.

    On a terminal, the place is shown below the message.

    Attributes:
        position: Where, in characters from the filter's start, from 0; its length is
            the end.
    """

    def __init__(self, text: str, position: int, allowed: str) -> None:
        self.position = position
        # Half of a surrogate pair could not be written anywhere.
        told = text[:FILTER_SHOWN].encode("utf-8", "replace").decode()
        message = f"filter, at {position}: {allowed}"
        super().__init__("filter", told, allowed, message=message)
        self.add_note(_pointed(told, position))


class SnapshotGone(QueryError):
    """The snapshot that a page was read of has expired: begin anew.

    Attributes:
        table: The table.
        snapshot: What it no longer has.
    """

    def __init__(self, table: str, snapshot: int) -> None:
        self.table = table
        self.snapshot = snapshot
        super().__init__(
            f"{table} no longer has snapshot {snapshot}, of which the page before was "
            "read: ask for the first page again"
        )


class NotBrought(QueryError):
    """A report needs a file of the user's that was not given.

    Attributes:
        report: The report.
    """

    def __init__(self, report: str, how: str) -> None:
        self.report = report
        super().__init__(f"{report} needs a list of yours: {how}")


class NoStatement(QueryError):
    """A report that is computed for each question, asked for as a statement.

    Attributes:
        report: The report.
    """

    def __init__(self, report: str) -> None:
        self.report = report
        super().__init__(
            f"{report} is computed for each question, no SQL alone can answer it: ask "
            f"`flowlake report {report}`, or GET /v1/reports/{report}"
        )


class NothingToExplain(QueryError):
    """No record fits what is to be explained."""

    exit_code = 3

    def __init__(self) -> None:
        super().__init__(
            "no record fits: widen since and until, or leave a filter out; the report "
            "`records` with the same filters shows what is there"
        )


class ResultTooLarge(QueryError):
    """The answer has more rows or bytes than the limit."""


class QueryTimeout(QueryError):
    """The question took longer than the limit."""


class MemoryExceeded(QueryError):
    """The question took more memory than the limit."""


class SqlRefused(QueryError):
    """The SQL is not one SELECT, or a part of it is not allowed."""


class SqlDisabled(QueryError):
    """SQL over REST is not enabled here."""


class AccessError(FlowlakeError):
    """Whoever asks may not; nothing was answered."""

    exit_code = 2


class NotAuthenticated(AccessError):
    """No key or token was given, or it does not hold.

    Attributes:
        given: Whether one was given at all.
    """

    def __init__(self, reason: str, *, given: bool = True) -> None:
        self.given = given
        super().__init__(reason)


class ScopeMissing(AccessError):
    """The key or token may not be used for this.

    Attributes:
        scope: What it lacks.
        held: What it may be used for.
    """

    def __init__(self, scope: str, held: Iterable[str]) -> None:
        self.scope = scope
        self.held = sorted(held)
        has = ", ".join(self.held) or "no scope at all"
        super().__init__(
            f"this needs the scope {scope}, and yours has {has}: ask for a key or "
            "token that has it"
        )


class LimitsMissing(AccessError):
    """A token says nothing of what it may see, so that is nothing."""

    def __init__(self, claims: Iterable[str]) -> None:
        self.claims = tuple(claims)
        super().__init__(
            "the token does not say what it may see: give it one of the claims "
            f"{', '.join(self.claims)}, each a list of ids, or `*` for all"
        )


class UnlimitedOnly(AccessError):
    """An answer that cannot be limited, asked for with a limited key or token."""

    def __init__(self) -> None:
        super().__init__(
            "this answer tells of every account, VPC and namespace, and yours may see "
            "some of them: ask with a key or token without limits"
        )


class AccessUnavailable(AccessError):
    """Keys or the issuer of tokens cannot be asked now."""

    retry = True
    exit_code = 3


class RequestError(FlowlakeError):
    """A request that the service does not take as it is, or not now."""


class BadCursor(RequestError):
    """A cursor was changed, or is not of this question and this caller."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the cursor {why}: send it as it was given, with the parameters that it "
            "was given for, or ask without it for the first page"
        )


class CursorExpired(RequestError):
    """A cursor is older than a day, or the snapshot that it pages is gone."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the cursor {why}: ask without it for the first page")


class TooManyRequests(RequestError):
    """A caller asked more often than its rate allows.

    Attributes:
        retry_after_s: After how many seconds the next request is taken.
    """

    retry = True

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"more requests than the rate limit allows: wait {retry_after_s} s"
        )


class ServiceBusy(RequestError):
    """Too many questions are being answered, and too many wait, for one more.

    Attributes:
        retry_after_s: After how many seconds to ask again.
    """

    retry = True

    def __init__(self, why: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{why}: ask again after {retry_after_s} s")


def shown(text: str, most: int = MOST_SHOWN) -> str:
    """Return a text as an error repeats it: cut where it is too long."""
    return text if len(text) <= most else f"{text[:most]}…"


def reason(error: Exception) -> str:
    """Return why something could not be read, without the number and path of it."""
    return str(getattr(error, "strerror", None) or error)


def _pointed(text: str, position: int) -> str:
    """Return the part of a text around a position, and a caret below that."""
    begin = max(0, position - 60)
    part = text[begin : position + 20]
    line = "".join(c if c.isprintable() else " " for c in part)
    return f"{line}\n{' ' * (position - begin)}^"
