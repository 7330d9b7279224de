"""Progress of a run: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ingest.plan import Plan


class ProgressBar:
    """A progress bar on standard error; a context manager.

    Args:
        shown: Whether standard error is a terminal.
    """

    def __init__(self, *, shown: bool) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("objects"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._objects = self._bar.add_task("listing", total=None)
        self._size = 0

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def planned(self, plan: Plan) -> None:
        """Show how much more there is to do."""
        self.more(plan.size, doing="ingesting")

    def more(self, size: int, *, doing: str) -> None:
        """Show that so many bytes more are to be done."""
        self._size += size
        self._bar.update(self._objects, description=doing, total=self._size)

    def advance(self, objects: int, size: int) -> None:
        """Show that objects, and so many of their bytes, are done."""
        self._bar.advance(self._objects, size)
