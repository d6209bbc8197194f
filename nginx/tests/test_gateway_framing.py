"""Requests that two programs could read differently never get to the second."""

from collections.abc import Iterator

import pytest
from gateway_rig import Gateway, running_gateway
from problems import check_problem, parse

LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("framing")) as running:
        yield running


SMUGGLED = b"GET /api/v1/users/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
OPEN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="CL.TE",
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            id="TE.CL",
        ),
        pytest.param(b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="xchunked"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            id="TE.TE",
        ),
        pytest.param(
            b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="list"
        ),
        pytest.param(
            b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", id="VT chunked"
        ),
        pytest.param(b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", id="two CL"),
        pytest.param(b"Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}", id="CL.CL"),
        pytest.param(b"Content-Length: +2\r\n\r\n{}", id="signed CL"),
        pytest.param(b"Content-Length: 2, 2\r\n\r\n{}", id="list CL"),
        pytest.param(b"Content-Length: 0x2\r\n\r\n{}", id="hexadecimal CL"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n", id="bare CR"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\nz\r\n{}\r\n", id="bad chunk size"
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
            id="negative chunk",
        ),
        pytest.param(b"X: a\rContent-Length: 2\r\n\r\n{}", id="CR in a header"),
        pytest.param(b"X: a\x00b\r\n\r\n", id="NUL in a header"),
    ],
)
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
