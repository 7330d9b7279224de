"""The tools that check what is in infra/, as the tests run them."""

import json
import os
import subprocess
import sys
import sysconfig
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
    told = json.loads(done.stdout)
    reports = told if isinstance(told, list) else [told]
    failed = [
        (check["check_id"], check["file_path"], check["resource"])
        for report in reports
        for check in report.get("results", {}).get("failed_checks", ())
    ]
    passed = {
        r["check_type"]: r["summary"]["passed"] for r in reports if "summary" in r
    }
    return failed, passed
