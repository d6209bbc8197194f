"""Bodies that are not the JSON that is asked for, or too much of it (INP-01, -02, -04,
GW-06)."""

import pytest

from deploy.tests import wire
from deploy.tests.client import CHANGE_PASSWORD, LOGIN, ME, REFRESH, REGISTER, refused
from shared.tests.bodies import MALFORMED, NO_OBJECTS

JSON = {"Content-Type": "application/json"}
# A longer one is another thing: see below.
BODIES = [x for x in (*MALFORMED, *NO_OBJECTS) if len(x.values[0]) <= 16_384]


@pytest.mark.parametrize("path", [LOGIN, REGISTER, CHANGE_PASSWORD])
@pytest.mark.parametrize("body", [pytest.param(b"", id="nothing"), *BODIES])
def test_a_bad_body_is_a_400(target, mallory, path, body):
    response = target.ask("POST", path, {**JSON, **mallory.bearer}, body)
    refused(response, 400, "invalid_json", "validation_error")


@pytest.mark.parametrize("path", [LOGIN, REGISTER, ME, REFRESH])
@pytest.mark.parametrize("size", [16_385, 3_000_000])
def test_a_large_body_is_refused(target, path, size):
    refused(target.ask("POST", path, JSON, b" " * size), 413, "payload_too_large")


@pytest.mark.parametrize("size", [1, 4096])
def test_a_large_body_in_pieces_is_refused(target, size):
    """Chunked, it has no length to be judged by."""
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    body = chunk * (20_480 // size) + b"0\r\n\r\n"
    headers = {**JSON, "Transfer-Encoding": "chunked"}
    refused(target.ask("POST", LOGIN, headers, body), 413, "payload_too_large")
    # Nothing waits for ten gigabytes that are only announced.
    announced = {**JSON, "Content-Length": str(10 << 30)}
    data = wire.request("POST", LOGIN, target.netloc, announced, b"{}")
    (response,) = target.exchange(data, seconds=1).responses("POST")
    refused(response, 413, "payload_too_large")
