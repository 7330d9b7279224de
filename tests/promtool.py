"""promtool of Debian's package `prometheus`: on PATH, or fetched into .cache once."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".cache"


def promtool():
    """Return promtool's path; skip the test where it cannot be had."""
    found = shutil.which("promtool")
    if found:
        return found
    place = CACHE / "promtool"
    if not place.exists():
        _fetch(place)
    return str(place)


def _fetch(place):
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip("promtool is not on PATH and this is no Debian to fetch it from")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
        own = ["-o", f"Dir::State::lists={fresh}", "-o", f"Dir::Cache={fresh}"]
        if _failure(["apt-get", "download", "prometheus"], fresh):
            _run(["apt-get", *own, "update"], fresh)  # this machine has no lists
            _run(["apt-get", *own, "download", "prometheus"], fresh)
        package = next(Path(fresh).glob("prometheus_*.deb"))
        _run(["dpkg-deb", "-x", str(package), "it"], fresh)
        Path(fresh, "it/usr/bin/promtool").rename(place)


def _run(words, folder):
    failure = _failure(words, folder)
    if failure:
        pytest.skip(f"promtool cannot be had: {failure}")


def _failure(words, folder):
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode and (done.stderr.strip()[-200:] or "it says nothing")
