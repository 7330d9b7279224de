"""Whatever is sent, the answer is one that the OpenAPI document declares."""

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.app import create_app
from ingest.job import Ingest, Request
from lake.settings import load_settings
from tests.lakes import open_lake
from tests.samples import BEGIN, V2, record

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


EXAMPLES = 60  # that are allowed, of all operations together
REFUSED = 4  # times as many that are not, as those cost no query


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    place = tmp_path_factory.mktemp("fuzzed")
    source = place / "some.log"
    source.write_text("\n".join([V2, *(record(n, BEGIN + n) for n in range(40)), ""]))
    lake_settings = load_settings(lake=str(place / "lake"))
    with open_lake(lake_settings) as lake:
        Ingest(lake, Request((str(source),))).run()
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(lake_settings))


SQL = "POST /v1/sql"


def asked(operation, mode, examples):
    """Return the statuses of what was asked, each answer checked."""
    statuses = set()

    @settings(max_examples=examples)
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case):
        statuses.add(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    return statuses


def test_every_answer_is_one_that_the_document_declares(document):
    operations = [found.ok() for found in document.get_all_operations()]
    each = max(EXAMPLES // len(operations), 1)
    answered = []
    for operation in operations:
        if operation.query:
            refused = asked(operation, GenerationMode.NEGATIVE, each * REFUSED)
            assert refused & {400, 422} or operation.label == SQL  # off here
        if 200 in asked(operation, GenerationMode.POSITIVE, each):
            answered.append(operation.label)
    assert len(answered) > len(operations) / 2
