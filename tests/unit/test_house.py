"""The house keeps its own rules: arrows, one page a folder, nothing of elsewhere."""

import ast
import re
from pathlib import Path

import pytest

import flowlake
from lake.settings import Settings
from queries.catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
FOLDERS = ("lake", "ingest", "transform", "queries", "api", "demo")
COMMAND = re.compile(r"(?:`|\$ (?:\.venv/bin/)?)flowlake ([a-z]+)")
ARROWS = {
    "lake": set(),
    "ingest": {"lake", "transform"},
    "transform": {"lake"},
    "queries": {"lake", "transform"},
    "api": {"lake", "queries"},
    "demo": {"lake"},
}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_only_what_the_arrows_allow(folder):
    found = {
        name.split(".")[0]
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path)
    }
    assert found & set(FOLDERS) - {folder} <= ARROWS[folder]
    if folder == "queries":
        crossing = {
            name
            for path in (ROOT / folder).rglob("*.py")
            for name in imported(path)
            if name.startswith("transform")
        }
        assert all(name.startswith("transform.policy") for name in crossing)
    if folder == "transform":
        assert not {name for name in found if name in ("os", "pathlib", "time")}


@pytest.mark.parametrize("folder", [*FOLDERS, "docs", "infra", "tests", "tests/bench"])
def test_every_folder_has_a_page(folder):
    assert (ROOT / folder / "README.md").read_text().startswith("# ")


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", *ROOT.glob("[a-z]*/README.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_commands_in_the_pages_exist():
    for page in [ROOT / "README.md", *ROOT.glob("[a-z]*/README.md")]:
        for name in COMMAND.findall(page.read_text()):
            assert name in flowlake.COMMANDS, f"{page}: flowlake {name}"


def test_every_setting_and_report_says_what_it_is():
    for name, field in Settings.model_fields.items():
        assert field.description, name
    for report in load_catalogue().values():
        assert report.sentence.endswith(".")
        assert all(p.meaning for p in report.parameters)


def test_modules_stay_readable():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 500, path


def test_the_locks_have_hashes_and_no_index():
    for name in ("requirements.lock", "requirements-dev.lock", "tests/duckdb-1.5.lock"):
        text = (ROOT / name).read_text()
        assert "--hash=sha256:" in text
        assert "--index-url" not in text
        assert "://" not in re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
