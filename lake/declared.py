"""The settings as others declare them: ``python -m lake.declared`` writes them down.

A page for people, and the two parts of the Helm chart's schema that say which settings
there are. All of it is made from `Settings`: a setting that is added is in both.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lake.settings import Settings

INFRA = Path(__file__).parents[1] / "infra"
PAGE = INFRA / "settings.md"
CHART_SCHEMA = INFRA / "helm" / "flowlake" / "values.schema.json"

_INTRODUCTION = """\
# Settings

Each is an environment variable, or a line in `flowlake.toml` under its name in small
letters without `FLOWLAKE_`. `flowlake settings` prints those in force, secrets masked.
Made by `make settings` from `lake/settings.py`; a test compares.

| variable | type | default | |
|---|---|---|---|
"""
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "minItems": "{} or more",
}


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{Settings.model_config['env_prefix']}{name.upper()}"


def declared() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each setting, by its name.

    What may be null is declared as what it is else: not to name it is the same. A
    default of null is left out.
    """
    properties = Settings.model_json_schema()["properties"]
    return {name: _plain(schema) for name, schema in properties.items()}


def secrets() -> frozenset[str]:
    """Return the names of the settings that hold secrets, by their types."""
    return frozenset(name for name, schema in declared().items() if _is_secret(schema))


def page() -> str:
    """Return the page of all settings."""
    return _INTRODUCTION + "".join(
        f"| `{variable(name)}` | {_words(schema)} | {_default(schema)} "
        f"| {schema['description'].replace('|', chr(92) + '|')} |\n"
        for name, schema in declared().items()
    )


def chart_schema(written: str) -> str:
    """Return the chart's schema with the settings as they are now.

    Args:
        written: The schema's text. What is not of settings stays.
    """
    schema = json.loads(written)
    hidden = secrets()
    schema["properties"]["settings"]["properties"] = {
        name: found for name, found in declared().items() if name not in hidden
    }
    schema["properties"]["secretSettings"]["properties"] = {
        name: {
            "$ref": "#/definitions/secretKey",
            "description": found["description"],
        }
        for name, found in declared().items()
        if name in hidden
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write both."""
    PAGE.write_text(page(), encoding="utf-8")
    written = CHART_SCHEMA.read_text(encoding="utf-8")
    CHART_SCHEMA.write_text(chart_schema(written), encoding="utf-8")


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    found = {k: v for k, v in schema.items() if k not in ("anyOf", "title")}
    for one in schema.get("anyOf", ()):
        if one != {"type": "null"}:
            found |= one
    if found.get("default", ...) is None:
        del found["default"]
    return dict(sorted(found.items()))


def _is_secret(schema: dict[str, Any]) -> bool:
    inner = (schema.get("additionalProperties"), schema.get("items"))
    return bool(schema.get("writeOnly")) or any(
        _is_secret(one) for one in inner if isinstance(one, dict)
    )


def _words(schema: dict[str, Any]) -> str:
    return ", ".join(_parts(schema))


def _parts(schema: dict[str, Any]) -> Iterator[str]:
    if _is_secret(schema):
        yield "secret"
    if "items" in schema:
        yield f"JSON list of {_words(schema['items'])}"
    elif "enum" in schema:
        yield " or ".join(f"`{value}`" for value in schema["enum"])
    elif schema["type"] == "object":
        yield "JSON object"
    elif not _is_secret(schema):
        yield schema["type"]
    for bound, words in _BOUNDS.items():
        if bound in schema:
            yield words.format(schema[bound])


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return ""
    value = schema["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    main()
