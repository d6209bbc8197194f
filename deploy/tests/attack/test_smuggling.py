"""Requests that two programs could cut up differently (GW-11; RFC 9112 section 11.2).

Each probe is followed by a second request. Had any program on the way taken the two
apart elsewhere, there would be a second answer, or the next client would get it.
"""

import pytest

from deploy.tests.attack.target import Target
from nginx.tests.malicious_inputs import FRAMINGS

POISON = "/api/v1/auth/health/live?poison"
CANARY = "/.well-known/jwks.json"
END = b"\r\n\r\n0\r\n\r\n"
# After the request line and Host.
PROBES = {
    **FRAMINGS,
    "TE with a space before the colon": b"Transfer-Encoding : chunked" + END,
    "TE in another case, and CL": b"tRANSFER-eNCODING: cHUNKED\r\nContent-Length: 4"
    + END,
    "TE on a folded line": b"Transfer-Encoding:\r\n chunked" + END,
    "TE after a bare LF, and CL": (
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4" + END
    ),
    "CL beyond 64 bits": b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "a chunk of 16 digits": (
        b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n"
    ),
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


@pytest.mark.parametrize("framing", PROBES.values(), ids=list(PROBES))
def test_a_request_of_two_readings_has_one_answer_and_ends_the_connection(
    target, framing
):
    """Refused, or read in the one way that leaves nothing over."""
    received = target.exchange(probe(target, framing))
    answers = received.responses("POST")
    assert len(answers) <= 1, received.data
    assert all(answer.status_code in (400, 413) for answer in answers), received.data
    assert received.closed
    canary_is_clean(target)
