"""The AWS clients, and what their errors mean."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import structlog
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    UnauthorizedSSOTokenError,
)

from lake.errors import (
    SettingsError,
    SourceChanged,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnavailable,
)
from lake.settings import Settings

log = structlog.get_logger()

Sleep = Callable[[float], None]
Answer = TypeVar("Answer")

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 20.0

_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    UnauthorizedSSOTokenError,
)
_STATUS: dict[int, type[SourceError]] = {
    404: SourceMissing,
    408: SourceUnavailable,
    409: SourceUnavailable,
    412: SourceChanged,
    416: SourceChanged,
    429: SourceUnavailable,
}
_TRANSIENT = {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"}


@cache
def s3_errors() -> tuple[type[Exception], ...]:
    """Return what a call or a body may raise; urllib3's come through botocore's bodies.

    Like boto3, those who raise them are imported when something is asked of AWS.
    """
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    return BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError


def client(
    settings: Settings, service: str = "s3", *, region: str | None = None
) -> Any:
    """Return a boto3 client; endpoint, Region and credentials as AWS tools do.

    Retries are ours (`retrying`), so that a body that breaks off is resumed and the
    number of attempts is one setting.

    Args:
        settings: Of the process.
        service: Its name in boto3.
        region: Where the service is asked, if that is known better than AWS tools do.

    Raises:
        SettingsError: The AWS configuration cannot be used.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        max_pool_connections=settings.fetchers,
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
    )
    try:
        return boto3.session.Session().client(
            service, region_name=region, config=config
        )
    except (BotoCoreError, ValueError) as error:  # ValueError: a malformed endpoint
        raise SettingsError(f"AWS configuration: {error}") from error


def retrying(
    call: Callable[[], Answer],
    *,
    location: str,
    retries: int,
    sleep: Sleep = time.sleep,
) -> Answer:
    """Call until it works, waiting longer each time, with full jitter.

    Args:
        call: Raises SourceError; only those marked ``retry`` are tried again.
        location: For the log.
        retries: Attempts after the first.
        sleep: Waits; seconds.
    """
    for failures in range(retries):
        try:
            return call()
        except SourceError as error:
            if not error.retry:
                raise
            back_off(failures, location=location, error=error, sleep=sleep)
    return call()


def back_off(failures: int, *, location: str, error: Exception, sleep: Sleep) -> None:
    """Wait after a failed attempt: up to twice as long each time, at random.

    Args:
        failures: Attempts that had failed before this one.
        location: For the log.
        error: For the log.
        sleep: Waits; seconds.
    """
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**failures)
    log.info("s3_retry", location=location, failures=failures + 1, error=str(error))
    sleep(random.uniform(0, longest))  # noqa: S311  # jitter is no secret


def as_source_error(error: Exception, location: str) -> SourceError:
    """Return our error for what boto3 raised: which of them are worth a retry."""
    if isinstance(error, ClientError):
        return _of_answer(error, location)
    if isinstance(error, _NO_CREDENTIALS):
        return SourceDenied(location, str(error))
    if isinstance(error, ParamValidationError):
        return SourceMissing(location, str(error))
    return SourceUnavailable(location, f"{type(error).__name__}: {error}")


def _of_answer(error: ClientError, location: str) -> SourceError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    detail = f"{code} ({status})"
    if code in _TRANSIENT or status >= 500:
        return SourceUnavailable(location, detail)
    if code == "NoSuchBucket":
        return SourceMissing(location, detail)
    # What is left of 3xx and 4xx (credentials, Region, archive) no retry can cure.
    return _STATUS.get(status, SourceDenied)(location, detail)
