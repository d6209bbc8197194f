"""Requests that two programs could cut up differently (GW-11; RFC 9112 section 11.2).

Each probe is followed by a second request. Had any program on the way taken the two
apart elsewhere, there would be a second answer, or the next client would get it.
"""

import pytest

from deploy.tests.attack.target import Target
from deploy.tests.client import refused
from nginx.tests.malicious_inputs import FRAMINGS

POISON = "/api/v1/auth/health/live?poison"
CANARY = "/.well-known/jwks.json"
# After the request line and Host. What is refused for more than its framing.
MORE_FRAMINGS = {
    "TE with a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "TE in another case, and CL": (
        b"tRANSFER-eNCODING: cHUNKED\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    ),
    "TE behind a tab, and CL": (
        b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    ),
    "TE on a folded line": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "TE after a bare LF, and CL": (
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
    ),
    "TE quoted": b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "TE twice": (
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "TE gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE with NUL": b"Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
    "CL negative": b"Content-Length: -1\r\n\r\n",
    "CL with a tab inside": b"Content-Length: 1\t2\r\n\r\n{}",
    "CL beyond 64 bits": b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "CL empty": b"Content-Length:\r\n\r\n{}",
    "CL with a fraction": b"Content-Length: 2.0\r\n\r\n{}",
    "CL CRLF and another": b"Content-Length: 2\r\nContent-length: 9\r\n\r\n{}",
    "a chunk of 16 digits": (
        b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n"
    ),
    "a chunk in decimal words": (
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"
    ),
    "a chunk that is too long": (
        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX\r\n0\r\n\r\n"
    ),
    "a header name with a space": b"X y: 1\r\n\r\n",
    "Host twice": b"Host: evil.example\r\n\r\n",
}


def probe(target: Target, framing: bytes) -> bytes:
    host = target.netloc.encode()
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: " + host + b"\r\n"
    second = b"GET " + POISON.encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    return head + framing + second


def canary_is_clean(target: Target) -> None:
    """As other clients do, over connections of the gateway's to a service that may be
    the one that was spoilt."""
    for _ in range(6):
        answer = target.ask("GET", CANARY)
        assert (answer.status_code, list(answer.json())) == (200, ["keys"])


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=list(FRAMINGS))
def test_a_request_of_two_readings_ends_the_connection(
    target: Target, framing: bytes
) -> None:
    received = target.exchange(probe(target, framing))
    (answer,) = received.responses("POST")
    refused(answer, 400, "bad_request")
    assert received.closed
    canary_is_clean(target)


@pytest.mark.parametrize("framing", MORE_FRAMINGS.values(), ids=list(MORE_FRAMINGS))
def test_an_odd_request_has_one_answer_at_most(target: Target, framing: bytes) -> None:
    """Refused, or read in the one way that leaves nothing over."""
    received = target.exchange(probe(target, framing))
    answers = received.responses("POST")
    assert len(answers) <= 1, received.data
    assert all(answer.status_code in (400, 413) for answer in answers), received.data
    assert received.closed
    canary_is_clean(target)


@pytest.mark.parametrize(
    "name", [b"Transfer_Encoding", b"Content_Length", b"Transfer-Encoding_", b"X-TE"]
)
def test_framing_by_another_name_is_none(target: Target, name: bytes) -> None:
    """A service that read `_` as `-` would see the second request in the body."""
    second = b"GET " + POISON.encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"0\r\n\r\n" + second
    value = b"5" if name == b"Content_Length" else b"chunked"
    data = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: " + target.netloc.encode()
    data += b"\r\nContent-Type: application/json\r\n" + name + b": " + value
    data += b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    refused(target.response(data + body, "POST"), 400, "invalid_json")
    canary_is_clean(target)


@pytest.mark.parametrize(
    "text", ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\0b"]
)
@pytest.mark.parametrize("name", ["Origin", "User-Agent", "Accept-Language", "Cookie"])
def test_a_broken_header_line_makes_no_header_of_an_answer(
    target: Target, name: str, text: str
) -> None:
    """CR, LF and NUL in what is handed on to a service."""
    received = target.exchange(
        f"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: {target.netloc}\r\n"
        f"{name}: {text}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    )
    (answer,) = received.responses("POST")
    assert answer.status_code in (400, 401, 403)
    assert not answer.all("X-Injected")
    assert received.closed


def test_pipelined_requests_are_answered_in_order(target: Target) -> None:
    """And each by itself: what is said after a body is not part of it."""
    host = f"Host: {target.netloc}\r\n"
    first = f"POST /api/v1/auth/logout HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n{{}}"
    then = f"GET {CANARY} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
    received = target.exchange((first + then).encode())
    answers = received.responses("POST")
    assert [answer.status_code for answer in answers] == [200, 200], received.data
    assert list(answers[1].json()) == ["keys"]
