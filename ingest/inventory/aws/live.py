"""A live inventory: every Region of every account asked for, by boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ingest.inventory.aws.assemble import Scope, sighting_of
from ingest.inventory.aws.calls import ASSUME, CALLS, IDENTITY, REGIONS, Call
from ingest.inventory.aws.listing import Document, Listing, lists_of, text
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.zones import of_arn
from ingest.inventory.sighting import Sighting
from ingest.s3 import s3_errors

Clock = Callable[[], datetime]
SessionFactory = Callable[..., Any]

HOME = "us-east-1"  # where the Regions are asked for, if AWS tools name none
_CONFIG = Config(
    retries={"mode": "adaptive", "max_attempts": 10},
    connect_timeout=10,
    read_timeout=60,
    max_pool_connections=4,
)
_GONE = "NotFound"  # a resource that went between two calls


def utc_now() -> datetime:
    """Return the present; UTC."""
    return datetime.now(UTC)


def collect(
    *,
    regions: Sequence[str] = (),
    roles: Sequence[str | None] = (None,),
    external_id: str | None = None,
    owner_tag: str | None = None,
    session_factory: SessionFactory = boto3.session.Session,
    now: Clock = utc_now,
    workers: int = 8,
    report: Report | None = None,
) -> Iterator[Sighting]:
    """List accounts, Region by Region.

    A call that is refused or fails is reported and its list left out; what the others
    answer is still true.

    Args:
        regions: Where to look; none: every Region that is enabled in an account.
        roles: ARNs of roles to assume, one an account; None: the caller's own account.
        external_id: What the roles ask of who assumes them.
        owner_tag: The tag that names an owner.
        session_factory: Makes boto3 sessions; credentials as its arguments, or none.
        now: The present; UTC.
        workers: Regions listed at once.
        report: Gets the calls that failed.

    Yields:
        One sighting an account and Region, its moment right before the first call.
        None for one where no call was answered.
    """
    report = Report() if report is None else report
    with ThreadPoolExecutor(workers, thread_name_prefix="inventory") as pool:
        for role in roles:
            account = _account(session_factory, role, external_id, report)
            if account is None:
                continue
            looks = [
                _Look(account, region, now)
                for region in regions or _regions(account, report)
            ]
            listed = [(look, pool.submit(look.listing)) for look in looks]
            for look, future in listed:
                yield from _sightings(look, future, owner_tag, report)


def _sightings(
    look: _Look, future: Future[Listing], owner_tag: str | None, report: Report
) -> Iterator[Sighting]:
    listing = future.result()
    report.absorb(look.report)
    if listing:
        yield sighting_of(
            look.scope,
            look.at,
            listing,
            complete=listing.keys(),
            owner_tag=owner_tag,
            report=report,
        )


@dataclass(frozen=True, slots=True)
class _Account:
    """An account and a session with the right to look at it."""

    id: str
    session: Any

    def client(self, service: str, region: str) -> Any:
        return self.session.client(service, region_name=region, config=_CONFIG)


def _account(
    factory: SessionFactory, role: str | None, external_id: str | None, report: Report
) -> _Account | None:
    """Return the caller's own account, or the one that a role is in."""
    called, scope = (ASSUME, role) if role else (IDENTITY, "the caller's account")
    try:
        session = factory()
        sts = session.client(
            "sts", region_name=session.region_name or HOME, config=_CONFIG
        )
        if role is None:
            return _Account(str(sts.get_caller_identity()["Account"]), session)
        asked = {"ExternalId": external_id} if external_id else {}
        answer = sts.assume_role(
            RoleArn=role, RoleSessionName="flowlake-inventory", **asked
        )
        given = answer["Credentials"]
        assumed = factory(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=session.region_name,
        )
        return _Account(of_arn(role)[1] or "", assumed)
    except s3_errors() as error:
        report.lacks(str(scope), called, _reason(error))
        return None


def _regions(account: _Account, report: Report) -> list[str]:
    home = account.session.region_name or HOME
    try:
        answer = account.client("ec2", home).describe_regions()
        return sorted(region["RegionName"] for region in answer["Regions"])
    except s3_errors() as error:
        report.lacks(Scope(account.id).name, REGIONS, _reason(error))
        return [home] if account.session.region_name else []


class _Look:
    """One look at one Region of one account.

    Clients are made here, as sessions may not be shared by threads; clients may.
    """

    def __init__(self, account: _Account, region: str, now: Clock) -> None:
        self.scope = Scope(account.id, region)
        self.report = Report()
        self.at = datetime.min.replace(tzinfo=UTC)
        self._now = now
        services = sorted({call.service for call in CALLS})
        self._clients = {name: account.client(name, region) for name in services}

    def listing(self) -> Listing:
        """Return what the calls answer, without the lists of those that failed."""
        self.at = self._now()
        found: Listing = {}
        for call in CALLS:
            if call.per and call.per[0] not in found:
                continue
            documents = self._documents(call, found)
            if documents is not None:
                found[call.list] = documents
        if "PrefixListEntries" not in found:
            found.pop("PrefixLists", None)  # a list without its entries is another one
        return found

    def _documents(self, call: Call, found: Listing) -> list[Document] | None:
        documents: list[Document] = []
        for arguments in _arguments(call, found):
            try:
                for page in _pages(self._clients[call.service], call, arguments):
                    answer = plain({**page, **arguments})
                    listed = lists_of(answer, name="", report=self.report)
                    documents += listed.get(call.list, [])
            except s3_errors() as error:
                if call.per and _GONE in _reason(error):
                    continue
                self.report.lacks(self.scope.name, call.action, _reason(error))
                return None
        return documents


def _arguments(call: Call, found: Listing) -> Iterator[dict[str, str]]:
    if call.per is None:
        yield {}
        return
    listed, field, argument = call.per
    for document in found[listed]:
        id_ = text(document, field)
        if id_:
            yield {argument: id_}


def _pages(client: Any, call: Call, arguments: dict[str, str]) -> Iterator[Any]:
    """Yield every page; calls that have pages but no paginator are asked again."""
    if client.can_paginate(call.operation):
        paginator = client.get_paginator(call.operation)
        yield from paginator.paginate(
            **arguments, PaginationConfig={"PageSize": call.page_size}
        )
        return
    more: dict[str, Any] = (
        {} if call.page_size is None else {"MaxResults": call.page_size}
    )
    while True:
        page = getattr(client, call.operation)(**arguments, **more)
        yield page
        if not page.get("NextToken"):
            return
        more["NextToken"] = page["NextToken"]


def plain(value: Any) -> Any:
    """Return an answer as its JSON would read: times as text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _reason(error: Exception) -> str:
    """Return AWS's code, never its message: that may quote a request."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
