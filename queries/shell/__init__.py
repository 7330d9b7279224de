"""The SQL shell: statements and dot commands, one after another, at a terminal."""

from queries.shell.loop import run_shell

__all__ = ["run_shell"]
