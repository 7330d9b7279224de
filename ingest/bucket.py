"""Listing a bucket: whole, or of AWS's dated folders only the wanted days."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ingest.ahead import ahead
from ingest.keys import Days, folder_days
from ingest.s3 import Sleep, as_source_error, retrying, s3_errors
from lake.errors import SourceMissing, SourceUnavailable

PAGE = 1000
LIST_RETRIES = 5
LISTERS = 8  # a large organisation has thousands of (account, Region, day) folders
MOST_FOLDERS = 10_000  # looked into for dates; what is wider is listed whole
WIDE = PAGE // 2  # folders in one truncated answer: named by something else than AWS

_OTHER_SERVICE = re.compile(
    r"(?:^|/)AWSLogs/(?:[^/]+/)?(?:aws-account-id=)?[0-9]{12}/"
    r"(?!(?:(?:aws-)?service=)?vpcflowlogs/)[^/]+/"
)

Answer = dict[str, Any]


class Bucket:
    """One bucket, by way of ListObjectsV2.

    Args:
        client: A boto3 S3 client, shared by a few threads.
        name: The bucket.
        sleep: Waits between attempts; seconds.
    """

    def __init__(self, client: Any, name: str, *, sleep: Sleep = time.sleep) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def below(self, prefix: str, days: Days | None) -> Iterator[list[Answer]]:
        """Yield what lies below a prefix, an answer's ``Contents`` at a time.

        Args:
            prefix: Any beginning of keys, or one key, which is then listed alone.
            days: Of folders dated by AWS only those within; None: all. What is not
                dated is listed whole.

        Raises:
            SourceMissing: There is no such bucket, or nothing below the prefix.
            SourceDenied: It may not be listed.
            SourceUnavailable: The store kept failing.
        """
        delimiter = "" if days is None else "/"
        first = self._answer(prefix, delimiter)
        contents = _contents(first)
        if prefix and not (contents or _folders(first)):
            raise SourceMissing(self.location(prefix), "nothing lies below it")
        exact = [found for found in contents if found["Key"] == prefix]
        if exact and not prefix.endswith("/"):
            yield exact
        elif days is None:
            yield from map(_contents, self._all_of(prefix, delimiter, first))
        else:
            yield from self._dated(prefix, first, days)

    def location(self, key: str) -> str:
        """Return the place of a key."""
        return f"s3://{self._name}/{key}"

    def _dated(self, prefix: str, first: Answer, days: Days) -> Iterator[list[Answer]]:
        """Walk the folders, level by level, down to the days; then list those."""
        whole: list[str] = []
        level: Iterable[tuple[str, Answer]] = [(prefix, first)]
        with ThreadPoolExecutor(LISTERS, thread_name_prefix="list") as pool:
            while level:
                below: list[str] = []
                for folder, answer in level:
                    if _is_wide(folder, answer) or len(below) > MOST_FOLDERS:
                        whole.append(folder)
                        continue
                    for part in self._all_of(folder, "/", answer):
                        yield _contents(part)
                        below.extend(_folders(part))
                wanted = [folder for folder in below if _may_hold(folder, days)]
                whole.extend(folder for folder in wanted if _is_listed_whole(folder))
                inner = [folder for folder in wanted if not _is_listed_whole(folder)]
                level = self._first_answers(pool, inner, "/") if inner else ()
            for folder, answer in self._first_answers(pool, whole, ""):
                yield from map(_contents, self._all_of(folder, "", answer))

    def _first_answers(
        self, pool: ThreadPoolExecutor, prefixes: list[str], delimiter: str
    ) -> Iterator[tuple[str, Answer]]:
        return ahead(
            pool, lambda prefix: self._answer(prefix, delimiter), prefixes, most=LISTERS
        )

    def _all_of(self, prefix: str, delimiter: str, first: Answer) -> Iterator[Answer]:
        """Yield the first answer and those that continue it."""
        answer = first
        yield answer
        while answer.get("IsTruncated"):
            token = answer["NextContinuationToken"]
            answer = self._answer(prefix, delimiter, ContinuationToken=token)
            yield answer

    def _answer(self, prefix: str, delimiter: str, **more: str) -> Answer:
        location = self.location(prefix)
        if delimiter:
            more["Delimiter"] = delimiter

        def call() -> Answer:
            try:
                answer: Answer = self._client.list_objects_v2(
                    Bucket=self._name, Prefix=prefix, MaxKeys=PAGE, **more
                )
            except s3_errors() as error:
                raise as_source_error(error, location) from error
            if "IsTruncated" not in answer:  # such as a proxy's page
                raise SourceUnavailable(location, "the answer is not a listing")
            return answer

        return retrying(
            call, location=location, retries=LIST_RETRIES, sleep=self._sleep
        )


def _contents(answer: Answer) -> list[Answer]:
    return list(answer.get("Contents", ()))


def _folders(answer: Answer) -> list[str]:
    return [found["Prefix"] for found in answer.get("CommonPrefixes", ())]


def _may_hold(folder: str, days: Days) -> bool:
    dated = folder_days(folder)
    return dated is None or dated.overlap(days)


def _is_listed_whole(folder: str) -> bool:
    """Whether looking for dates in it would gain nothing: a day, another service."""
    dated = folder_days(folder)
    if dated is not None:
        return dated.first == dated.last
    return _OTHER_SERVICE.search(folder) is not None


def _is_wide(folder: str, answer: Answer) -> bool:
    return (
        bool(answer.get("IsTruncated"))
        and len(_folders(answer)) > WIDE
        and not folder.endswith("AWSLogs/")
    )
