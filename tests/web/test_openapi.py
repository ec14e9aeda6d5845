"""Requests that schemathesis makes from the OpenAPI document: none of them makes the server fail."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from .conftest import publish

schemathesis = pytest.importorskip("schemathesis")

ENDLESS = ("/v1/stream", "/v1/video.mjpeg")
"""Paths whose responses do not end; `test_server.py` reads them."""


@pytest.mark.integration
def test_no_request_makes_the_server_fail(make_site, serve):
    site = make_site(requests_per_second=1e6, upload_bytes=100_000)
    publish(site.view)
    server = serve(site)
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [each.ok() for each in schema.get_all_operations()]
    assert {"/v1/predict", "/v1/faces", "/v1/settings", "/metrics"} <= {each.path for each in operations}
    statuses = []
    for operation in operations:
        if operation.path not in ENDLESS:
            _try(operation, statuses)
    assert len(statuses) > 60
    assert {200, 400, 422} <= set(statuses)
    assert max(statuses) < 500


def _try(operation, statuses):
    """Makes requests of an operation, also such as its schema does not allow."""
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

        @settings(
            max_examples=20,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[*HealthCheck],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case):
            answer = case.call(timeout=60)
            statuses.append(answer.status_code)
            case.validate_response(
                answer,
                checks=[schemathesis.checks.not_a_server_error, schemathesis.checks.response_schema_conformance],
            )

        try:
            check()
        except Exception as error:
            # An operation without parameters has no requests that its schema forbids.
            if type(error).__name__ != "Unsatisfiable":
                raise
