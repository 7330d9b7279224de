"""The S3 client, and what its errors mean."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from lake.errors import (
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
TRANSPORT_ERRORS = (BotoCoreError, HTTPClientError, OSError)
_STATUS: dict[int, type[SourceError]] = {
    403: SourceDenied,
    404: SourceMissing,
    412: SourceChanged,
}


def client(settings: Settings) -> Any:
    """Return a boto3 S3 client; endpoint, Region and credentials as AWS tools do.

    Retries are ours (`retrying`), so that a body that breaks off is resumed and the
    number of attempts is one setting.
    """
    config = Config(
        max_pool_connections=settings.fetchers,
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
    )
    return boto3.session.Session().client("s3", config=config)


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
    for attempt in range(retries):
        try:
            return call()
        except SourceError as error:
            if not error.retry:
                raise
            wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
            log.info("s3_retry", location=location, attempt=attempt + 1,
                     error=error.detail)  # fmt: skip
        sleep(random.uniform(0, wait))  # noqa: S311  # jitter is no secret
    return call()


def as_source_error(error: Exception, location: str) -> SourceError:
    """Return our error for what boto3 raised: which of them are worth a retry."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = _STATUS.get(status, SourceUnavailable)
        if code == "NoSuchBucket":
            kind = SourceMissing
        return kind(location, f"{code} ({status})")
    return SourceUnavailable(location, f"{type(error).__name__}: {error}")
