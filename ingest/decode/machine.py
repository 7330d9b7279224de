"""Python compiled to machine code at its first call, and kept for the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Numba asks only whether a function's own file has changed, and scan.py is compiled
# together with functions of other files: a folder for each state of all of them.
_HERE = Path(__file__).parent
_SOURCES = sorted(_HERE.glob("*.py"))
_STATE = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()
if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = str(_HERE / "__pycache__" / f"compiled-{_STATE[:16]}")

# References to arrays are not counted: nothing is allocated in compiled code, its
# caller holds every array, and counting takes as long as all the rest (measured).
_OPTIONS = {"nogil": True, "_nrt": False}


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call; it runs without the interpreter's lock.

    The result is kept beside the source, else in the user's cache folder; where
    neither can be written, every process compiles anew, which takes some seconds.
    """
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba found no folder to keep it in
        return numba.njit(**_OPTIONS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into its callers: a call costs more than most tokens do."""
    return numba.njit(inline="always", **_OPTIONS)(function)
