"""The tools that check what is in infra/, as the tests run them."""

import json
import os
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path


def tool(name):
    """Return the path of a command of the virtual environment."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def complaints(name, *arguments):
    """Run a checker; return what it says, empty if it is content."""
    done = subprocess.run(
        [tool(name), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    return said or f"exit code {done.returncode}" if done.returncode else ""


def checkov(place, folders, frameworks):
    """Run checkov once, offline; return what failed, and how many checks passed.

    Args:
        place: Where it is installed.
        folders: What it looks at.
        frameworks: ``cloudformation``, ``dockerfile``, ``terraform``, ``kubernetes``.

    Returns:
        ``(check, file, resource)`` of each that failed, and passed checks by framework.
    """
    looked_at = [word for folder in folders for word in ("-d", str(folder))]
    done = subprocess.run(
        [sys.executable, str(place / "bin" / "checkov"), *looked_at,
         "--framework", *frameworks, "--skip-download", "--quiet", "-o", "json"],
        capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(place), "LOG_LEVEL": "ERROR"},
    )  # fmt: skip
    reports = list(_reports(done.stdout))
    failed = [
        (check["check_id"], check["file_path"], check["resource"])
        for report in reports
        for check in report["results"]["failed_checks"]
    ]
    passed: Counter[str] = Counter()
    for report in reports:
        passed[report["check_type"]] += report["summary"]["passed"]
    return failed, passed


def _reports(text):
    """Yield checkov's reports: it writes a document a folder, of one or several."""
    while text := text.strip():
        told, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        found = told if isinstance(told, list) else [told]
        yield from (report for report in found if "check_type" in report)
