"""AWS accounts as an inventory: saved answers, AWS Config's past, or live."""

from ingest.inventory.aws.report import Report
from ingest.inventory.aws.saved import read_saved

__all__ = ["Report", "read_saved"]
