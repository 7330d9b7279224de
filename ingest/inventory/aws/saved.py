"""Saved output of ``aws … describe-* --output json``, made sightings."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from ingest.inventory.aws.assemble import Scope, sighting_of
from ingest.inventory.aws.columns import uncollected
from ingest.inventory.aws.files import (
    BrokenFile,
    Moment,
    SavedFile,
    find,
    load,
    moments,
)
from ingest.inventory.aws.history import history
from ingest.inventory.aws.items import Items
from ingest.inventory.aws.listing import (
    CALLER,
    Listing,
    garbled,
    lists_of,
    merge,
    with_earlier,
)
from ingest.inventory.aws.report import Report
from ingest.inventory.aws.scopes import Answer, Places
from ingest.inventory.sighting import Sighting
from ingest.inventory.stamps import is_future, of_another_day, of_the_future

_MORE = ("NextToken", "NextMarker")
_PICKED = "a list without the name that AWS gives it: save the answer without --query"


def read_saved(
    places: Iterable[str | Path],
    *,
    at: datetime | None = None,
    partial: bool = False,
    owner_tag: str | None = None,
    account: str | None = None,
    region: str | None = None,
    report: Report | None = None,
) -> Iterator[Sighting]:
    """Read saved answers, of one moment or of many.

    A file's kind is its top-level key, whatever its name; its moment is found as that
    of all saved output is (`stamps`).

    Args:
        places: Directories with all their folders, ``.json`` and ``.json.gz`` files.
        at: When all were taken, best when the listing was begun; UTC. None: as names
            tell.
        partial: Whether lists are known to lack some resources (filters): then none of
            them tells that anything is gone. Else a list is complete if its last page
            is there.
        owner_tag: The tag that names an owner.
        account: Whose they are, where the documents do not show it rightly.
        region: Where those are of that do not tell.
        report: Gets what was read and what was left out.

    Yields:
        One sighting a scope and moment, by time; with history, one a scope and capture.

    Raises:
        SourceMissing: There is no such file or directory.
        SourceDenied: A file may not be read.
        UsageError: Names tell of several moments, and ``at`` is given.
    """
    report = Report() if report is None else report
    files = find(places)
    places_of = Places(account=account, region=region)
    reader = _Reader(places_of, owner_tag, report, partial=partial)
    past = [file for file in files if file.is_history]
    order = reader.past(moments([file for file in files if not file.is_history], at))
    if order and (past or len(order) > 1):
        reader.look_ahead(order[-1])
    # The listings first: what they tell of folders and names, the past is told with.
    yield from heapq.merge(
        reader.listings(order), reader.history(past), key=lambda sighting: sighting.at
    )


class _Reader:
    """Reads moment by moment, and keeps of each only what explains the next."""

    def __init__(
        self, places: Places, owner_tag: str | None, report: Report, *, partial: bool
    ) -> None:
        self._places = places
        self._owner_tag = owner_tag
        self._report = report
        self._partial = partial
        self._beside: dict[Scope, Listing] = {}
        self._ahead: list[Answer] = []

    def past(self, order: Sequence[Moment]) -> list[Moment]:
        """Return the moments that have come; files of others are reported.

        So are those that cannot be of their moment.
        """
        now = datetime.now(UTC)
        for moment in order:
            for file in moment.files if is_future(moment.at, now) else ():
                self._leave_out(file, "future", of_the_future(moment.at))
            for file in moment.misdated:
                why = of_another_day(file.named, moment.at)
                self._leave_out(file, "misdated", why)
        return [moment for moment in order if not is_future(moment.at, now)]

    def _leave_out(self, file: SavedFile, reason: str, detail: str) -> None:
        self._report.files += 1
        self._report.cannot_read(str(file.path), reason, detail)

    def look_ahead(self, last: Moment) -> None:
        """Read what explains earlier interfaces, but the interfaces themselves."""
        files = [file for file in last.files if not file.lists_interfaces]
        self._ahead, _ = self._answers(files, Report())

    def listings(self, order: Sequence[Moment]) -> Iterator[Sighting]:
        """Yield what each moment shows."""
        for moment in order:
            yield from self._sightings(moment)

    def history(self, files: Sequence[SavedFile]) -> Iterator[Sighting]:
        """Yield what files of AWS Config show."""
        items = Items(self._report)
        for file in files:
            self._report.files += 1
            try:
                if not items.add(load(file)):
                    self._report.cannot_read(str(file.path), "broken", "no items")
            except BrokenFile as error:
                self._report.cannot_read(str(file.path), error.reason, str(error))
        beside = {scope: self._known_of(scope) for scope in items.scopes()}
        yield from history(
            items, beside, owner_tag=self._owner_tag, report=self._report
        )

    def _sightings(self, moment: Moment) -> Iterator[Sighting]:
        answers, broken = self._answers(moment.files, self._report)
        broken |= {file.folder for file in moment.misdated}
        for scope, some in sorted(self._by_scope(answers).items()):
            listing = merge([a.listing for a in some], self._report)
            listing.pop(CALLER, None)
            complete = self._complete(some, broken)
            beside = self._known_of(scope)
            with uncollected():
                sighting = sighting_of(
                    scope,
                    moment.at,
                    listing,
                    complete=complete,
                    beside=beside,
                    owner_tag=self._owner_tag,
                    report=self._report,
                )
            yield sighting
            self._beside[scope] = with_earlier(_explaining(listing), beside, complete)

    def _known_of(self, scope: Scope) -> Listing:
        """Return what explains a scope: of earlier moments, at first of the last."""
        if scope not in self._beside:
            ahead = self._by_scope(self._ahead).get(scope, [])
            self._beside[scope] = merge([a.listing for a in ahead], Report())
        return self._beside[scope]

    def _answers(
        self, files: Sequence[SavedFile], report: Report
    ) -> tuple[list[Answer], set[PurePath]]:
        """Return what files answer, and the folders with a file that is broken."""
        found, broken = [], set()
        for file in files:
            report.files += 1
            counts = Report()
            try:
                answers = _answers_in(load(file), file, counts)
            except BrokenFile as error:
                self._report.cannot_read(str(file.path), error.reason, str(error))
                broken.add(file.folder)
                continue
            if counts.odd["not_a_document"]:
                broken.add(file.folder)
            report.absorb(counts)
            found += answers
        return found, broken

    def _by_scope(self, answers: Sequence[Answer]) -> dict[Scope, list[Answer]]:
        found: dict[Scope, list[Answer]] = {}
        for scope, answer in zip(self._places.scopes_of(answers), answers, strict=True):
            if answer.listing.keys() - {CALLER}:
                if not scope.region:
                    self._report.without_region.append(str(answer.path))
                found.setdefault(scope, []).append(answer)
        return found

    def _complete(self, answers: Sequence[Answer], broken: set[PurePath]) -> set[str]:
        """Return the lists that are there to the end.

        Where a file could not be read, none is: it may have held a part of any.
        """
        if self._partial or broken & {answer.folder for answer in answers}:
            return set()
        ended = {n for a in answers for n in a.listing.keys() - a.partial}
        started = {n for a in answers for n in a.partial}
        self._report.note("lists_without_their_last_page", len(started - ended))
        return ended


def _answers_in(content: Any, file: SavedFile, report: Report) -> list[Answer]:
    """Return the answers of a file: one, or a list of them.

    Raises:
        BrokenFile: It is a list without any, or one of their lists is garbage.
    """
    found = []
    for part in content if isinstance(content, list) else [content]:
        if name := garbled(part):
            raise BrokenFile("garbled", f"{name} holds nothing of what AWS lists there")
        listing = lists_of(part, name=file.path.name, report=report)
        more = isinstance(part, dict) and any(part.get(k) for k in _MORE)
        if listing:
            partial = frozenset(listing if more else ())
            found.append(Answer(file.path, file.folder, listing, partial))
    if isinstance(content, list) and not found:
        raise BrokenFile("no_answer", _PICKED)
    return found


def _explaining(listing: Listing) -> Listing:
    """Return what a listing explains of other moments; of interfaces, that it is."""
    if "NetworkInterfaces" not in listing:
        return listing
    return {**listing, "NetworkInterfaces": []}
