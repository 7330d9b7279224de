"""What the OpenAPI document declares of routes: parameters, answers, problems."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from api.negotiate import FORMATS
from api.problems import MEDIA_TYPE, REFUSALS, STATUSES
from queries.answers import META_NAMES
from queries.contract import Parameter, Report

Responses = dict[int | str, dict[str, Any]]

_JSON_TYPES = {"integer": "integer", "bigint": "integer", "boolean": "boolean",
               "double": "number", "port": "integer"}  # fmt: skip
_BOUNDS = {"integer": {"minimum": 0}, "port": {"minimum": 0, "maximum": 65_535}}
NETWORK = r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"
# Of texts, those that are read; not all that fit can be.
TEXTS: Mapping[str, dict[str, Any]] = {
    "timestamptz": {
        "pattern": r"^(now|today|yesterday|[0-9]{1,6}[mhd]"
        r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z)?)$"
    },
    "address": {
        "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"pattern": NETWORK}]
    },
    "cidr": {"pattern": NETWORK},
    "protocol": {"pattern": "^[a-z0-9]{1,6}$"},
    "span": {"pattern": "^[0-9]{1,6}[mhd]$"},
    "filter": {"maxLength": 4000},
}
_EXAMPLES = {
    "since": "24h", "until": "now", "address": "10.0.0.5", "network": "10.0.0.0/8",
    "port": 443, "protocol": "tcp", "vpc": "vpc-0a1b2c3d", "eni": "eni-0a1b2c3d",
    "baseline": "7d", "filter": "dst_port = 443 AND src_address CIDR '10.0.0.0/8'",
    "account": "123456789012", "namespace": "payments", "workload": "checkout",
}  # fmt: skip

FORMAT: Mapping[str, Any] = {
    "name": "format",
    "in": "query",
    "required": False,
    "description": "How the answer is written; it wins over Accept.",
    "schema": {"type": "string", "enum": list(FORMATS)},
}
LAST: Mapping[str, Any] = {
    "name": "last",
    "in": "query",
    "required": False,
    "description": "Short for since so long ago, until now: 24h, 7d, 90m.",
    "schema": {"type": "string", "pattern": TEXTS["span"]["pattern"]},
}
CURSOR: Mapping[str, Any] = {
    "name": "cursor",
    "in": "query",
    "required": False,
    "description": "Of the page before, `meta.next` or its Link: the page behind it, "
    "every other parameter as it was.",
    "schema": {"type": "string", "maxLength": 8192},
}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference",
                 "description": "Leads to its entry in the documentation."},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What to do about this one."},
        "instance": {"type": "string", "description": "The request's X-Request-Id."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["value", "allowed"],
                "properties": {
                    "parameter": {"type": "string"},
                    "pointer": {"type": "string",
                                "description": "Where in the body, a JSON pointer."},
                    "value": {"type": "string"},
                    "position": {"type": "integer", "minimum": 0,
                                 "description": "Where in a filter, from 0."},
                    "allowed": {"type": "string",
                                "description": "What would have been right."},
                },
            },
        },
    },
}  # fmt: skip
META = {
    "type": "object",
    "title": "Meta",
    "description": "What the answer was computed from, and how complete it is.",
    "required": list(META_NAMES),
    "properties": {
        **{name: {"description": says} for name, says in META_NAMES.items()},
        "next": {
            "type": ["string", "null"],
            "description": "The cursor of the next page; null: this is the last.",
        },
    },
}
SCHEMAS = {"Problem": PROBLEM, "Meta": META}


def problems(*statuses: int) -> Responses:
    """Return problem responses, to be declared by a route."""
    return {status: _problem(status) for status in sorted(set(statuses))}


def guarded(*statuses: int) -> Responses:
    """Return the problems of every route under ``/v1``, and some more."""
    return problems(401, 403, 421, 422, 429, 500, *statuses)


def asked(*statuses: int) -> Responses:
    """Return the problems of every route that reads the lake, and some more."""
    return guarded(*STATUSES.values(), *statuses)


def not_modified() -> Responses:
    """Return the answer to a request whose ``If-None-Match`` still holds."""
    return {304: {"description": "The answer is the one that the client has."}}


def rows_of(report: Report) -> Responses:
    """Return a report's answer in every format."""
    row = {
        "type": "object",
        "required": [c.name for c in report.columns],
        "properties": {
            c.name: {"type": [_JSON_TYPES.get(c.type, "string"), "null"]}
            for c in report.columns
        },
    }
    document = {
        "type": "object",
        "required": ["meta", "rows"],
        "properties": {
            "meta": {"$ref": "#/components/schemas/Meta"},
            "rows": {"type": "array", "items": row},
        },
    }
    content: dict[str, Any] = {
        media_type: {} for f in FORMATS.values() for media_type in f.media_types
    }
    content["application/json"] = {"schema": document}
    headers = {
        "ETag": {"description": "Names the answer.", "schema": {"type": "string"}},
        "Flowlake-Meta": {
            "description": "`meta` as JSON, where the body holds rows only.",
            "schema": {"type": "string"},
        },
    }
    return {
        200: {"description": report.sentence, "content": content, "headers": headers}
    }


def openapi_parameter(parameter: Parameter) -> dict[str, Any]:
    """Return a report's parameter as OpenAPI has it: closed where the contract is."""
    plain = parameter.type.removesuffix("[]")
    schema: dict[str, Any] = {"type": _JSON_TYPES.get(plain, "string")}
    schema |= _BOUNDS.get(plain, {})
    if schema["type"] == "string":
        schema |= {"minLength": 1, **TEXTS.get(plain, {})}
    if parameter.allowed:
        schema["enum"] = list(parameter.allowed)
    if parameter.default is not None:
        schema["default"] = _default(parameter.default, schema["type"])
    if parameter.is_list:
        schema = {"type": "array", "items": schema}
    declared = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.meaning,
        "schema": schema,
    }
    example = _EXAMPLES.get(parameter.name)
    if example is not None:
        declared["example"] = [example] if parameter.is_list else example
    return declared


def _default(text: str, type_: str) -> Any:
    return text if type_ == "string" else json.loads(text)


def _problem(status: int) -> dict[str, Any]:
    words = [text for code, (_, text) in REFUSALS.items() if code == status]
    words += [
        (kind.__doc__ or "").splitlines()[0]
        for kind, code in STATUSES.items()
        if code == status
    ]
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": " ".join(dict.fromkeys(words)),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
