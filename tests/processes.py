"""Processes of Python for the tests, forked from one that has imported all already.

To import the libraries takes a second, and what is ours 0.2 s more.
"""

import multiprocessing
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flowlake import COMMANDS

LIBRARIES = (
    *("boto3", "duckdb", "fastapi", "isal.igzip", "numba", "polars", "pyarrow.dataset"),
    *("pyiceberg.catalog.rest", "pyiceberg.catalog.sql", "pyiceberg.io.pyarrow"),
    *("pydantic_settings", "rich.progress", "structlog", "typer.rich_utils", "uvicorn"),
)
OURS = (
    *dict.fromkeys(module for module, *_ in COMMANDS.values()),
    "ingest.decode.decoder",
)
DEADLINE_S = 240
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*LIBRARIES, *OURS, "tests.ready"])


class Running:
    """A module that runs as ``python -m`` would run it."""

    def __init__(self, module, arguments, *, env=None, cwd=None):
        self._told = Path(tempfile.mkdtemp())
        self._arguments = list(map(str, arguments))
        environment = os.environ | (env or {})
        self._process = _FORKS.Process(
            target=_become,
            args=(module, self._arguments, environment, cwd, self._told),
        )
        self._process.start()

    def kill(self):
        """Kill it, if it still runs."""
        self._process.kill()

    def wait(self):
        """Return how it ended and what it said; kill what does not end."""
        try:
            self._process.join(DEADLINE_S)
            if self._process.exitcode is None:
                raise TimeoutError(f"{self._arguments} still runs")
            files = (self._told / name for name in ("out", "err"))
            said = (file.read_text() if file.exists() else "" for file in files)
            return subprocess.CompletedProcess(
                self._arguments, self._process.exitcode, *said
            )
        finally:
            self._process.kill()
            shutil.rmtree(self._told)


def flowlake(*arguments, lake=None, cwd=None, **env):
    """Run the command line to its end."""
    place = {} if lake is None else {"FLOWLAKE_LAKE": str(lake)}
    return Running("flowlake", arguments, env=place | env, cwd=cwd).wait()


def python(module, *arguments, **env):
    """Run a module to its end."""
    return Running(module, arguments, env=env).wait()


def _become(module, arguments, environment, cwd, told):
    for descriptor, name in ((1, "out"), (2, "err")):
        with (told / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
