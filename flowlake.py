"""The front door: one command that imports a leg only when its sub-command runs."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from typer.core import TyperGroup

from lake.errors import FlowlakeError
from lake.secrets import masked
from lake.signals.run import UNFORESEEN, name_run, run_of, version

# name: module, function, and what --help says of it without importing them
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo.tour", "demo", "Simulated AWS, ingest, first answers."),
    "ingest": ("ingest.cli", "ingest", "Read every new flow-log object, each once."),
    "report": ("queries.cli", "report", "Answer a question; no name: the catalogue."),
    "sql": ("queries.cli", "sql", "Ask in SQL, once or in a shell; read-only."),
    "explain": (
        "queries.explain.command",
        "explain",
        "Why rejected, and would it pass.",
    ),
    "backtest": ("queries.backtest_cli", "backtest", "What changed rules would do."),
    "whois": ("queries.whois", "whois", "Who an address was, and how that is known."),
    "suggest": ("queries.suggest", "suggest", "The least rules for what was seen."),
    "doctor": ("queries.checkup", "doctor", "What is wrong, its cost, what to do."),
    "status": ("queries.cli", "status", "What the lake holds and how fresh it is."),
    "serve": ("api.cli", "serve", "REST over the same reports."),
    "keys": ("api.access.cli", "keys", "Make, list and revoke the API keys of REST."),
    "simulate": ("demo.cli", "simulate", "Write what AWS would, with known truth."),
    "inventory": ("ingest.inventory.cli", "inventory", "Learn what existed and when."),
    "settle": ("ingest.settle_cli", "settle", "Decide what needs a second record."),
    "attribute": ("ingest.settle_cli", "attribute", "Attribute reopened hours anew."),
    "verify": ("ingest.verify.cli", "verify", "Recount source objects in the lake."),
    "compact": ("ingest.settle_cli", "compact", "Merge the files of an hour or day."),
    "retain": ("ingest.retain_cli", "retain", "Drop old days."),
    "gc": ("ingest.retain_cli", "gc", "Delete the files that nothing names any more."),
    "repair": ("ingest.cli", "repair", "Rebuild ledgers from evidence and flows."),
    "restore": ("ingest.restoring", "restore", "Make a lost catalog anew."),
    "settings": ("flowlake", "settings", "Print the effective settings."),
}
# Those that a scheduler starts: each run is named, and tells what it did.
RUNS = frozenset(
    ("ingest", "verify", "inventory", "settle", "attribute", "compact", "retain", "gc",
     "repair", "restore")
)  # fmt: skip
LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class LazyGroup(TyperGroup):
    """A group whose sub-commands are imported when one runs, not to be listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command; while only helping or completing, its name and line."""
        if cmd_name not in COMMANDS:
            return None
        module, function, sentence = COMMANDS[cmd_name]
        if ctx.resilient_parsing or not _is_asked(ctx, cmd_name):
            return _command(cmd_name, _placeholder, sentence)
        found = getattr(importlib.import_module(module), function)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        return _command(cmd_name, found, None)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; one that a scheduler starts as a run with a name."""
        # Before all else: a run reads settings as it begins, and may have to log.
        verbose, quiet = ctx.params["verbose"], ctx.params["quiet"]
        configure_logging(_level(verbose=verbose, quiet=quiet))
        words = [word for word in (*ctx._protected_args, *ctx.args) if word[:1] != "-"]
        if not words or words[0] not in RUNS or _asks_for_help(ctx):
            return super().invoke(ctx)
        name = "_".join(words[:2]) if words[0] == "inventory" else words[0]
        with run_of(name):
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Note which command is asked for, so that it is the one to be imported."""
        ctx.meta["flowlake.asked"] = args[0]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; exit codes are those of `FlowlakeError`.

    0 done; 1 done but something failed or was quarantined whole; 2 wrong usage or
    settings; 3 nothing could be done; 4 a report with ``--exit-code`` has rows; 130
    interrupted.
    """
    try:
        app()
    except FlowlakeError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except Exception as error:  # nobody expected it: as Python would, but masked
        _tell_traceback(error)
        sys.exit(UNFORESEEN)
    finally:
        _flush_quietly()


@app.callback()
def options(
    *,
    lake: Annotated[
        str | None, typer.Option(help="Directory of the lake; default ./lake")
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log more; twice: all")
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log errors only")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=lambda v: _version(v))
    ] = False,
) -> None:
    """AWS VPC Flow Logs into answers: who talked to whom, what was rejected, why."""
    del verbose, quiet, version  # heeded before
    if lake is not None:
        os.environ["FLOWLAKE_LAKE"] = lake


def settings() -> None:
    """Print the effective settings as JSON, secrets masked."""
    from lake.settings import load_settings

    typer.echo(masked(json.dumps(load_settings().masked(), indent=2)))


class _OfLibraries(logging.Handler):
    """Hands on what libraries log, which may name secrets, as a line of our own."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, with its traceback if it has one."""
        structlog.get_logger().log(
            record.levelno,
            "library_logged",
            library=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info,
        )


def configure_logging(level: int) -> None:
    """Log to stderr: for people on a terminal, one JSON object a line elsewhere."""
    logging.basicConfig(handlers=[_OfLibraries()])  # warnings and worse, as ever
    terminal = sys.stderr.isatty()
    render: Any = (
        structlog.dev.ConsoleRenderer()
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            name_run,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
            _without_secrets,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _level(*, verbose: int, quiet: bool) -> int:
    """Return the level to log at, of those of `logging`."""
    # A scheduled job's log should say what it did; a person is shown it otherwise.
    usual = 1 if sys.stderr.isatty() else 2
    return LEVELS[0 if quiet else min(usual + verbose, 3)]


def _command(name: str, function: Callable[..., None], sentence: str | None) -> Any:
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name, help=sentence)(function)
    return typer.main.get_command(single)


def _placeholder() -> None:
    """Stand in the list of commands for one that is not imported."""


def _asks_for_help(ctx: Any) -> bool:
    return "--help" in ctx.args


def _is_asked(ctx: Any, name: str) -> bool:
    return bool(ctx.meta.get("flowlake.asked") == name)


def _version(asked: bool) -> None:
    if asked:
        number = version("(not installed: run from its source)")
        typer.echo(f"flowlake {number}")
        raise typer.Exit


def _tell(error: FlowlakeError) -> None:
    if os.environ.get("FLOWLAKE_DEBUG") == "1":
        _tell_traceback(error)
        return
    for line in (f"flowlake: {error}", *getattr(error, "__notes__", ())):
        typer.echo(masked(line), err=True)


def _tell_traceback(error: Exception) -> None:
    told = "".join(traceback.format_exception(error))
    typer.echo(masked(told), err=True, nl=False)


def _without_secrets(logger: object, name: str, line: Any) -> str:
    """Mask secrets in a line of the log."""
    del logger, name
    return masked(str(line))


def _flush_quietly() -> None:
    """Write out what is left; a reader that has gone away is no error.

    Nor is a full disk here: the command has said so.
    """
    try:
        sys.stdout.flush()
    except OSError:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
