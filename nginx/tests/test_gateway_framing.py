"""Requests that two programs could read differently never get to the second."""

from collections.abc import Iterator

import pytest

from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.malicious_inputs import FRAMINGS
from nginx.tests.problem_assertions import check_problem, parse

LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("framing")) as running:
        yield running


SMUGGLED = b"GET /api/v1/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
OPEN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=list(FRAMINGS))
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(
    gateway: Gateway, data: bytes
) -> None:
    before = gateway.users.requests
    answer = parse(gateway.raw(OPEN + data + SMUGGLED))
    check_problem(answer, 400, "bad_request")
    assert answer.one("Connection") == "close"
    assert gateway.users.requests == before


def test_a_chunked_body_arrives_with_a_length(gateway: Gateway) -> None:
    """Services never see a transfer coding, so they cannot read one differently."""
    received = gateway.raw(
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert b'["Content-Length", "2"]' in received
    assert b"Transfer-Encoding" not in received.partition(b"\r\n\r\n")[2]
