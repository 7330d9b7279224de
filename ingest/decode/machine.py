"""Python compiled to machine code at its first call, and kept for the next run."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# Numba asks only whether a function's own file has changed, and scan.py is compiled
# together with functions of other files: a folder for each state of all of them.
_HERE = Path(__file__).parent
_SOURCES = sorted(_HERE.glob("*.py"))
_STATE = hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()
_KEPT = _HERE / "__pycache__" / f"compiled-{_STATE[:16]}"


def folder_of(kept: Path) -> Path:
    """Return the folder that machine code is read from and written to.

    Numba takes none that it cannot write to. In an image, whose files can only be read,
    what was compiled as that was made is copied, for this process alone: who could
    write to a shared folder could make others run what he likes.

    Args:
        kept: The folder beside the source.
    """
    if not kept.is_dir() or os.access(kept, os.W_OK):
        return kept
    try:
        copy = Path(tempfile.mkdtemp(prefix="flowlake-compiled-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        shutil.copytree(kept, copy, dirs_exist_ok=True, copy_function=shutil.copyfile)
    except OSError:
        return kept  # then every process compiles anew
    for place in (copy, *copy.iterdir()):
        place.chmod(0o700)  # folders take on what the read-only ones allow
    return copy


if not numba.config.CACHE_DIR:
    numba.config.CACHE_DIR = str(folder_of(_KEPT))

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
