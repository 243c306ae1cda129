"""The admin API is what its OpenAPI description says: schemathesis tries to catch it out."""

from __future__ import annotations

import json
import os

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from steersman_server.app import SteeringEndpointPlugin

load_all_checks()
EXAMPLES = int(os.environ.get("STEERSMAN_SCHEMA_EXAMPLES", 20))
"""Per operation, half of them against the description; all in under a minute."""
MUST_HOLD = CHECKS.get_by_names(
    [
        "not_a_server_error", "status_code_conformance", "content_type_conformance",
        "response_headers_conformance", "response_schema_conformance", "allow_header_conformance",
    ]
)  # fmt: skip
KNOWN = {"tenant": "acme", "flag": "steering", "profile": "formal", "vector": "empathy",
         "alias": "prod", "variant": "off"}  # fmt: skip
"""What exists, put in for what was drawn in every other example: drawn names never exist."""


def described() -> dict:
    """Returns the description of the admin API."""
    app = FastAPI()
    SteeringEndpointPlugin().attach_router(app)
    schema = app.openapi()
    paths = {k: v for k, v in schema["paths"].items() if k.startswith("/admin/v1")}
    return {**schema, "paths": paths}


SCHEMA = described()
OPERATIONS = {
    operation.label: operation
    for operation in (
        found.ok() for found in schemathesis.openapi.from_dict(SCHEMA).get_all_operations()
    )
}


@pytest.mark.parametrize("label", OPERATIONS)
def test_the_description_holds(label, admin):
    operation = OPERATIONS[label]
    cases = [operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if operation.body or operation.query or operation.path_parameters:
        cases.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    headers = {"authorization": f"Bearer {admin.keys['root']}"}

    @given(case=st.one_of(cases), known=st.booleans())
    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def holds(case, known):
        for part in (case.path_parameters, case.query, case.body) if known else ():
            if isinstance(part, dict):
                part.update({k: v for k, v in KNOWN.items() if isinstance(part.get(k), str)})
        response = case.call(base_url=admin.url, headers=headers)
        case.validate_response(response, checks=MUST_HOLD)
        if response.status_code >= 400:
            error = json.loads(response.content)["error"]
            assert error.keys() == {"message", "type", "param", "code"}
            assert isinstance(error["code"], str)
            assert len(error["message"]) < 2000

    holds()
