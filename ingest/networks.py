"""The user's labels for ranges of addresses: `networks.csv`."""

from __future__ import annotations

import csv
from pathlib import Path

from lake.errors import SettingsError
from transform.addresses import network


def read_networks(path: str | None) -> dict[str, str]:
    """Read a CSV of ``CIDR,label`` lines; ``#`` begins a comment, a header is allowed.

    Raises:
        SettingsError: The file cannot be read, or a line is no CIDR and a label.
    """
    if path is None:
        return {}
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"FLOWLAKE_NETWORKS: {path}: {error}") from None
    labels: dict[str, str] = {}
    lines = [line for line in text.splitlines() if line.strip()]
    for number, row in enumerate(csv.reader(lines)):
        if row[0].lstrip().startswith("#") or (number == 0 and row[0] == "cidr"):
            continue
        if len(row) < 2 or not row[1].strip() or network(row[0]) is None:
            raise SettingsError(
                f"FLOWLAKE_NETWORKS: {path}: {','.join(row)!r} is not CIDR,label, such "
                "as 10.20.0.0/16,office"
            )
        labels[row[0].strip()] = row[1].strip()
    return labels
