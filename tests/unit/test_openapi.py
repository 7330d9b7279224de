"""The OpenAPI document: committed, whole, closed, and the same for every setting."""

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.app import create_app
from api.openapi import PLACE, text_of
from api.problems import MEDIA_TYPE
from lake.settings import load_settings
from queries.catalogue import load_catalogue

PUBLIC = ("/healthz", "/readyz")


@pytest.fixture(scope="module")
def document():
    return create_app(load_settings()).openapi()


@pytest.fixture(scope="module")
def operations(document):
    return {
        (path, method): operation
        for path, found in document["paths"].items()
        for method, operation in found.items()
    }


def test_what_is_committed_is_what_is_served(document):
    assert PLACE.read_text() == text_of(document), "run `make openapi`"


def test_it_does_not_depend_on_settings(document):
    other = load_settings(
        lake="/elsewhere", max_rows=7, rate_per_minute=1, max_body_bytes=2048
    )
    assert create_app(other).openapi() == document


def test_it_is_openapi_3_1_by_the_book(document):
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_operation_has_a_name_of_its_own_and_a_sentence(operations):
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert {f"report_{name}" for name in load_catalogue()} <= set(names)
    assert all(operation["summary"] for operation in operations.values())


def test_every_error_is_declared_as_a_problem(document, operations):
    always = {"401", "403", "422", "429", "500"}
    for (path, method), operation in operations.items():
        errors = {s for s in operation["responses"] if s >= "400"}
        if path not in PUBLIC:
            assert errors >= always, (path, method)
        for status in errors:
            shared = f"#/components/responses/Problem{status}"
            assert operation["responses"][status] == {"$ref": shared}
    for name, answer in document["components"]["responses"].items():
        schema = {"$ref": "#/components/schemas/Problem"}
        assert answer["content"] == {MEDIA_TYPE: {"schema": schema}}, name
        assert answer["description"], name


def test_every_answer_names_its_request(document, operations):
    answers = [*document["components"]["responses"].values()]
    for operation in operations.values():
        answers += [a for a in operation["responses"].values() if "$ref" not in a]
    assert all("X-Request-Id" in answer["headers"] for answer in answers)


def test_closed_sets_are_closed_and_parameters_have_examples(operations):
    told = {}
    for name, report in load_catalogue().items():
        given = operations[(f"/v1/reports/{name}", "get")]["parameters"]
        told[name] = {p["name"]: p for p in given}
        for parameter in report.parameters:
            schema = told[name][parameter.name]["schema"]
            closed = schema.get("items", schema)
            assert closed.get("enum", []) == list(parameter.allowed)
        assert told[name]["format"]["schema"]["enum"]
    assert told["rejected_traffic"]["since"]["example"] == "24h"
    assert told["rejected_traffic"]["port"]["example"] == [443]


def test_a_report_declares_last_and_cursor_only_if_it_takes_them(operations):
    for name, report in load_catalogue().items():
        given = operations[(f"/v1/reports/{name}", "get")]["parameters"]
        told = {p["name"] for p in given}
        assert ("last" in told, "cursor" in told) == (report.windowed, not report.whole)


def test_nothing_of_the_frameworks_own_errors_is_left(document):
    text = json.dumps(document)
    assert "HTTPValidationError" not in text
    for kind in ("schemas", "headers", "responses"):
        found = document["components"][kind]
        parts = text.split(f'"#/components/{kind}/')[1:]
        assert {part.split('"')[0] for part in parts} == set(found)
