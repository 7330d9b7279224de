"""The OpenAPI document: ``python -m api.openapi`` writes it beside this module.

It is made from the routes and the reports' contracts, and does not depend on settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.declared import SCHEMAS
from api.problems import MEDIA_TYPE

PLACE = Path(__file__).with_name("openapi.json")
# Of FastAPI's own shape of errors, which this service does not have.
NOT_OURS = ("HTTPValidationError", "ValidationError")
REQUEST_ID = {
    "description": "The request's id, as in the log and in problems.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
}
NAMED = {"$ref": "#/components/headers/RequestId"}


def complete(app: FastAPI) -> None:
    """Make the application give the whole document, made once.

    Args:
        app: With all its routes.
    """
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def text_of(document: dict[str, Any]) -> str:
    """Return the document as it is committed."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the document."""
    from api.app import create_app
    from lake.settings import load_settings

    PLACE.write_text(text_of(create_app(load_settings()).openapi()))


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        summary=app.summary,
        description="For people: [/docs](/docs).",
        routes=app.routes,
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in NOT_OURS:
        schemas.pop(name, None)
    schemas |= SCHEMAS
    components["headers"] = {"RequestId": REQUEST_ID}
    problems = dict(_share(document))
    components["responses"] = dict(sorted(problems.items()))
    return document


def _share(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the problems, each once, and leave a reference wherever one was."""
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            for status, answer in responses.items():
                answer["headers"] = {**answer.get("headers", {}), "X-Request-Id": NAMED}
                if MEDIA_TYPE in answer.get("content", {}):
                    yield f"Problem{status}", answer
                    responses[status] = {
                        "$ref": f"#/components/responses/Problem{status}"
                    }


if __name__ == "__main__":
    main()
