"""What names of places say: Availability Zones, their ids, ARNs, paths."""

from __future__ import annotations

import re

_DIRECTION = "central|(?:north|south)(?:east|west)?|east|west"
_ZONE = re.compile(rf"((?:[a-z]+-){{1,2}}(?:{_DIRECTION})-\d{{1,2}})(?:[a-z]|-.+)")
_NAMED = re.compile(
    rf"(?<![a-z0-9])((?:us|eu|ap|sa|ca|me|af|il|mx|cn|eusc)(?:-(?:gov|iso[a-z]?|de))?"
    rf"-(?:{_DIRECTION})-\d{{1,2}})(?![0-9])"
)
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_ZONE_ID = re.compile(r"([a-z]{2})(g?)(ne|nw|se|sw|n|s|e|w|c)(\d{1,2})-.+")
_LONG = {
    "n": "north", "s": "south", "e": "east", "w": "west", "c": "central",
    "ne": "northeast", "nw": "northwest", "se": "southeast", "sw": "southwest",
}  # fmt: skip
_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:([a-z0-9-]*):(\d{12}|):")
_MINUTE = re.compile(
    r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d"
)
_ACCOUNT = re.compile(r"(?<![0-9a-zA-Z])(\d{12})(?![0-9a-zA-Z])")


def is_region(name: str) -> bool:
    """Whether a Region may be called so, one of the future too."""
    return _REGION.fullmatch(name) is not None


def region_of_zone(name: str) -> str | None:
    """Return the Region of a zone by its name: ``us-west-2a``, ``us-west-2-lax-1a``."""
    found = _ZONE.fullmatch(name)
    return found[1] if found else None


def region_of_zone_id(zone_id: str) -> str | None:
    """Return the Region of a zone by its id: ``usw2-az1``, ``usgw1-az3``."""
    found = _ZONE_ID.fullmatch(zone_id)
    if found is None:
        return None
    continent, gov, direction, number = found.groups()
    return f"{continent}{'-gov' if gov else ''}-{_LONG[direction]}-{number}"


def region_in(text: str) -> str | None:
    """Return the last Region that a path names."""
    found = _NAMED.findall(text)
    return found[-1] if found else None


def account_in(text: str) -> str | None:
    """Return the last account, twelve digits standing alone, that a path names.

    Digits that read as a minute of this century are taken for one: a folder called
    after its moment must not give each moment an account.
    """
    found = [a for a in _ACCOUNT.findall(text) if not _MINUTE.fullmatch(a)]
    return found[-1] if found else None


def of_arn(arn: str) -> tuple[str | None, str | None]:
    """Return the Region and the account that an ARN names."""
    found = _ARN.match(arn)
    return (found[1] or None, found[2] or None) if found else (None, None)
