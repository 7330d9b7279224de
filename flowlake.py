"""The front door: one command, which imports a leg only when its sub-command runs."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Annotated, Any

import structlog
import typer
from typer.core import TyperGroup

VERSION = "0.1.0"

# Sub-command → where its function lives, and its line in the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo.tour", "Simulated AWS, ingest, first answers; no account needed"),
    "ingest": ("ingest.cli", "Read every new flow-log object into the lake"),
    "report": ("queries.cli", "Answer a question; without a name: the catalogue"),
    "sql": ("queries.cli", "Run one SQL query over the lake, or a shell"),
    "status": ("queries.cli", "Tables, rows, data through, lag, quarantine"),
    "serve": ("api.cli", "The REST service"),
    "compact": ("ingest.cli", "Merge small files"),
    "retain": ("ingest.cli", "Drop old days"),
    "gc": ("ingest.cli", "Delete files that no snapshot names"),
    "repair": ("ingest.cli", "Rebuild ledgers"),
    "simulate": ("demo.cli", "Write the simulated AWS's objects somewhere"),
    "settings": ("queries.cli", "Print the effective settings, secrets masked"),
}


class _Lazy(TyperGroup):
    """A group whose commands are imported when they are run or asked for help."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one command, imported only now."""
        if cmd_name not in COMMANDS:
            return None
        return _command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _command(name: str) -> Any:
    module, text = COMMANDS[name]
    function = getattr(importlib.import_module(module), name)
    single = typer.Typer(add_completion=False)
    single.command(name, help=function.__doc__ or text)(function)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=_Lazy, add_completion=False, no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _options(
    *,
    lake: Annotated[
        str | None, typer.Option(help="The lake's directory; else FLOWLAKE_LAKE")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log every step")
    ] = False,
) -> None:
    """Turn VPC Flow Logs into answers: who talked to whom, what was rejected, why."""
    if lake is not None:
        os.environ["FLOWLAKE_LAKE"] = lake
    _configure_logs(verbose=verbose)


def _configure_logs(*, verbose: bool) -> None:
    """Log to standard error: text on a terminal, JSON lines elsewhere."""
    terminal = sys.stderr.isatty()
    quiet = logging.WARNING if terminal else logging.INFO
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.DEBUG if verbose else quiet
        ),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer()
            if terminal
            else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> None:
    """Run the command line; errors of ours are one line and an exit code."""
    from lake.errors import FlowlakeError

    try:
        code: Any = app(standalone_mode=False)
    except FlowlakeError as error:
        if os.environ.get("FLOWLAKE_DEBUG") == "1":
            raise
        _fail(str(error), error.exit_code)
    except typer.Abort:
        _fail("interrupted; run the same command again to go on", 130)
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to go on", 130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        if not hasattr(error, "show"):  # what Typer's parser raises can show itself
            raise
        error.show()
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"flowlake: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
