"""What is deployed names exactly the settings that there are."""

import json
import re
import typing
from pathlib import Path

import pytest
from pydantic import SecretStr

from lake import declared
from lake.settings import Settings

INFRA = Path(__file__).parents[2] / "infra"
NAMED = re.compile(r"FLOWLAKE_[A-Z][A-Z0-9_]*")
VARIABLES = {f"FLOWLAKE_{name.upper()}" for name in Settings.model_fields}
CHART = json.loads(declared.CHART_SCHEMA.read_text())["properties"]


def holds_a_secret(type_):
    return type_ is SecretStr or any(map(holds_a_secret, typing.get_args(type_)))


def pages():
    for path in sorted(INFRA.rglob("*")):
        if path.is_file():
            yield path, path.read_text()


def test_what_is_committed_is_what_there_is():
    assert declared.PAGE.read_text() == declared.page(), "run `make settings`"
    written = declared.CHART_SCHEMA.read_text()
    assert written == declared.chart_schema(written), "run `make settings`"


def test_the_page_has_a_line_for_every_setting_and_no_other():
    lines = declared.PAGE.read_text().splitlines()
    told = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert sorted(told) == sorted(VARIABLES)


def test_every_setting_that_infra_names_is_one():
    named = {
        (str(path.relative_to(INFRA)), name)
        for path, text in pages()
        for name in NAMED.findall(text)
    }
    assert {name for _, name in named} >= VARIABLES  # of the page at least
    assert {(where, name) for where, name in named if name not in VARIABLES} == set()


def test_the_chart_takes_every_setting_in_one_place_and_secrets_apart():
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if holds_a_secret(field.annotation)
    }
    assert {"catalog", "keys", "key_pepper", "cursor_key"} <= secret
    assert set(CHART["secretSettings"]["properties"]) == secret
    assert set(CHART["settings"]["properties"]) == set(Settings.model_fields) - secret


@pytest.mark.parametrize("part", ["settings", "secretSettings"])
def test_the_chart_takes_nothing_else(part):
    assert CHART[part]["additionalProperties"] is False


def test_the_chart_knows_types_defaults_and_bounds():
    told = CHART["settings"]["properties"]
    assert told["workers"] == {
        "default": 0,
        "description": Settings.model_fields["workers"].description,
        "maximum": 64,
        "minimum": 0,
        "type": "integer",
    }
    assert told["warehouse"]["type"] == "string"
    assert "default" not in told["warehouse"]
    assert told["auth"]["enum"] == ["auto", "required"]
    assert told["oidc_algorithms"]["default"] == ["RS256", "ES256"]


def test_the_rest_of_the_charts_schema_stays_as_written():
    written = json.loads(declared.CHART_SCHEMA.read_text())
    written["properties"]["settings"]["properties"] = {"gone": {}}
    del written["properties"]["secretSettings"]["properties"]["keys"]
    written["title"] = "another"
    made = json.loads(declared.chart_schema(json.dumps(written)))
    assert made["properties"] == CHART
    assert made["title"] == "another"
