"""The interface as it is described: what it allows, and what it does not, sent at random."""

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
]

NO_HTTP = "Invalid HTTP request received."


@pytest.fixture(scope="module")
def fuzzed(maker, tmp_path_factory):
    """Serve a desk to be fuzzed."""
    desk = maker.make_desk(tmp_path_factory.mktemp("fuzz") / "review.gpkg")
    with maker.serving(desk) as client:
        yield client
    desk.store.close()


OPERATIONS = [
    ("GET", "/api/review"),
    ("GET", "/api/items"),
    ("GET", "/api/items/{number}"),
    ("GET", "/api/items/{number}/scenes/{period}"),
    ("GET", "/api/items/{number}/scenes/{period}/{combination}"),
    ("GET", "/api/progress"),
    ("POST", "/api/decisions"),
    ("POST", "/api/points"),
    ("POST", "/api/undo"),
]


def test_every_operation_of_the_desk_is_fuzzed(fuzzed):
    paths = fuzzed.get("/api/openapi.json").json()["paths"]
    there = {(method.upper(), path) for path, own in paths.items() for method in own}
    assert there == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_nothing_that_is_sent_breaks_the_desk_or_its_description(fuzzed, method, path, mode):
    token = dict(fuzzed.headers)["x-minewatch-token"]
    described = fuzzed.get("/api/openapi.json").json()
    schema = schemathesis.openapi.from_dict(described)
    schema.config.update(base_url=str(fuzzed.base_url))
    operation = schema[path][method]
    chosen = schemathesis.GenerationMode(mode)

    @hypothesis.given(case=operation.as_strategy(generation_mode=chosen))
    @hypothesis.settings(
        max_examples=12, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    def send(case):
        answer = case.call(headers={"X-Minewatch-Token": token})
        if answer.status_code == 400 and answer.text == NO_HTTP:
            return  # its headers were none: the server hangs up before the desk hears of it
        case.validate_response(answer, checks=CHECKS)

    send()
