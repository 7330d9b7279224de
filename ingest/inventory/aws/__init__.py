"""AWS accounts as an inventory: saved answers, AWS Config's past, or live."""

from ingest.inventory.aws.calls import ASSUME, actions
from ingest.inventory.aws.live import collect
from ingest.inventory.aws.report import Missing, Report
from ingest.inventory.aws.saved import read_saved

__all__ = ["ASSUME", "Missing", "Report", "actions", "collect", "read_saved"]
