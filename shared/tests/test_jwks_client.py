"""Keys from a JWK Set: fetched seldom, bounded in time and size, never lost at once."""

import json
import threading
import time
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPublicNumbers,
    generate_private_key,
)
from jwt import PyJWKClientError
from jwt.algorithms import RSAAlgorithm

from shared import deadline
from shared.api.exceptions import DependencyUnavailable
from shared.keys import jwks_client, signing_keys
from shared.keys.jwks_client import JWKSetClient
from shared.tests.stub_servers import StubService, running

FLOOD = [f"{number:043d}" for number in range(2000)]


@pytest.fixture(scope="module")
def pairs():
    return [generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab"]


@pytest.fixture(scope="module")
def kids(pairs):
    return [signing_keys.thumbprint(pair.public_key()) for pair in pairs]


@pytest.fixture
def kid(kids):
    return kids[0]


@pytest.fixture
def stub(pairs):
    with running(StubService()) as server:
        publish(server, pairs[0])
        yield server


@pytest.fixture
def source(stub):
    return JWKSetClient(f"{stub.url}/.well-known/jwks.json")


class Clock:
    """The monotonic clock of the client, put forward by the test."""

    def __init__(self, monkeypatch):
        self.ahead = 0.0
        self.real = time.monotonic
        monkeypatch.setattr(jwks_client, "time", self)

    def monotonic(self):
        return self.real() + self.ahead


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def member(pair, **changes):
    return {**signing_keys.public_jwk(pair.public_key()), **changes}


def publish(stub, *pairs):
    stub.answer(200, {"keys": [member(pair) for pair in pairs]})


def held(stub):
    """Let the next requests hang until `go`; an event says that one came."""
    came, go = threading.Event(), threading.Event()

    def hang(handler):
        came.set()
        assert go.wait(4)

    stub.before = hang
    return came, go


def test_the_first_token_fetches_and_the_others_do_not(source, stub, kid):
    for _ in range(100):
        assert source.find(kid).key_id == kid
    (request,) = stub.requests
    assert request["headers"]["Cache-Control"] == "no-cache"
    assert "X-Internal-Api-Key" not in request["headers"]


def test_threads_that_come_first_wait_for_one_fetch(source, stub, kid):
    stub.before = lambda handler: time.sleep(0.1)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(source.find(kid)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {key.key_id for key in found} == {kid}
    assert len(stub.requests) == 1


# --- Unknown kids -------------------------------------------------------------------


def test_what_cannot_be_a_kid_of_ours_causes_no_request(source, stub, kid, clock):
    source.find(kid)
    clock.ahead = 15
    for odd in ("", "../../etc/passwd", "x" * 44, "\0" * 43):
        assert source.find(odd) is None
    assert len(stub.requests) == 1


def test_a_flood_of_unknown_kids_makes_one_request_in_a_cooldown(
    source, stub, kid, monkeypatch
):
    monkeypatch.setattr(jwks_client, "COOLDOWN", 0.5)
    source.find(kid)
    started = time.monotonic()

    def flood():
        for made_up in FLOOD:
            # Raised while another thread fetches.
            with suppress(DependencyUnavailable):
                assert source.find(made_up) is None

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cooldowns = int((time.monotonic() - started) / 0.5) + 1
    assert 1 <= len(stub.requests) <= 1 + cooldowns


def test_a_new_key_is_found_after_the_cooldown(source, stub, pairs, kids, clock):
    source.find(kids[0])
    publish(stub, *pairs)
    assert source.find(kids[1]) is None

    clock.ahead = 11

    assert source.find(kids[1]).key_id == kids[1]
    assert len(stub.requests) == 2


# --- A slow or broken server --------------------------------------------------------


def test_only_one_thread_waits_for_a_fetch_that_hangs(source, stub, kid, clock):
    source.find(kid)
    clock.ahead = 15
    came, go = held(stub)
    first = threading.Thread(target=lambda: source.find(FLOOD[0]))
    first.start()
    assert came.wait(2)

    for _ in range(1000):
        assert source.find(kid).key_id == kid
    for other in FLOOD[1:100]:
        with pytest.raises(DependencyUnavailable):
            source.find(other)

    assert first.is_alive()
    assert len(stub.requests) == 2
    go.set()
    first.join()


def test_the_same_when_the_set_is_due(source, stub, kid, clock):
    source.find(kid)
    clock.ahead = 31
    came, go = held(stub)
    first = threading.Thread(target=lambda: source.find(kid))
    first.start()
    assert came.wait(2)

    for _ in range(1000):
        assert source.find(kid).key_id == kid

    assert first.is_alive()
    go.set()
    first.join()


def test_a_server_that_trickles_is_hung_up_on(source, stub, kid, clock, monkeypatch):
    monkeypatch.setattr(deadline, "ANSWER_TIME", 0.5)
    source.find(kid)
    clock.ahead = 31
    stop = threading.Event()

    def trickle(handler):
        while not stop.wait(0.05):
            with suppress(OSError):
                handler.wfile.write(b"H")
        handler.close_connection = True

    stub.before = trickle
    started = time.monotonic()
    assert source.find(kid).key_id == kid
    assert time.monotonic() - started < 2
    assert not source.succeeded
    stop.set()


TROUBLE = [
    *((500, {}), (302, {}), (200, b"<html>"), (200, []), (200, {"keys": []})),
    *((200, {"keys": 5}), (200, b"[" * 9000)),
    (200, b" " * (jwks_client.MAXIMUM_BYTES + 1)),
]


@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_the_last_good_set_serves_and_an_unknown_kid_is_503(
    source, stub, kid, clock, status, body, caplog
):
    source.find(kid)
    clock.ahead = 31
    stub.answer(status, body)
    with pytest.raises(DependencyUnavailable):
        source.find(FLOOD[0])
    for _ in range(100):
        assert source.find(kid).key_id == kid

    assert len(stub.requests) == 2
    assert caplog.records[-1].event == "jwks"
    assert "fetching the JWK Set failed" in caplog.text


def test_it_serves_for_an_hour_and_each_cooldown_asks_again(source, stub, kid, clock):
    source.find(kid)
    stub.answer(500, {})
    for clock.ahead in range(60, 3600, 60):
        assert source.find(kid).key_id == kid
    assert len(stub.requests) == 1 + 59

    clock.ahead = 3610
    with pytest.raises(DependencyUnavailable):
        source.find(kid)


def test_without_any_key_it_is_503_and_never_a_refusal(source, stub, kid, clock):
    stub.answer(500, {})
    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            source.find(kid)
        with pytest.raises(DependencyUnavailable):
            source.all()
    assert len(stub.requests) == 1

    clock.ahead = 11
    stub.answer(200, {"keys": []})
    with pytest.raises(DependencyUnavailable):
        source.find(kid)


def test_no_proxy_of_the_environment_is_used(source, kid, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert source.find(kid).key_id == kid


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://memo.example/x", "x"])
def test_other_schemes_are_refused(url):
    with pytest.raises(PyJWKClientError):
        JWKSetClient(url)


# --- Revoked keys -------------------------------------------------------------------


def test_a_revoked_key_is_gone_within_a_minute(source, stub, pairs, kids, clock):
    source.find(kids[0])
    publish(stub, pairs[1])
    assert source.find(kids[0])

    clock.ahead = 31

    assert source.all().keys() == {kids[1]}
    assert source.find(kids[0]) is None


def test_even_if_one_fetch_fails(source, stub, pairs, kids, clock):
    source.find(kids[0])
    clock.ahead = 31
    stub.answer(500, {})
    assert source.find(kids[0])
    publish(stub, pairs[1])

    clock.ahead = 42

    assert source.find(kids[0]) is None


def test_after_a_quiet_time_no_request_uses_the_old_set(
    source, stub, pairs, kids, clock
):
    """Two that come at once, the first for a minute."""
    source.find(kids[0])
    publish(stub, pairs[1])
    clock.ahead = 60
    came, go = held(stub)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(source.all().keys()))
        for _ in range(2)
    ]
    threads[0].start()
    assert came.wait(2)
    threads[1].start()
    threads[1].join(0.1)
    assert found == []
    go.set()
    for thread in threads:
        thread.join()

    assert found == [{kids[1]}, {kids[1]}]


# --- What is in the set -------------------------------------------------------------


def test_keys_that_are_not_ours_are_left_out(source, stub, pairs, kid):
    other = pairs[1]
    small = RSAPublicNumbers(65537, (1 << 1023) | 1).public_key()
    private = {**json.loads(RSAAlgorithm.to_jwk(other)), **member(other)}
    bad = [
        private,
        member(other, p="AQAB"),
        member(other, alg="RS512"),
        member(other, alg=["RS256"]),
        member(other, kid=FLOOD[0]),
        member(other, use="enc"),
        member(other, n=5),
        member(other, n="*"),
        {name: v for name, v in member(other).items() if name != "alg"},
        signing_keys.public_jwk(small),
        {"kty": "oct", "k": "AA", "alg": "RS256", "use": "sig", "kid": FLOOD[1]},
        *({}, "x", None, 5, []),
    ]
    stub.answer(200, {"keys": [*bad, member(pairs[0])]})

    assert source.find(kid).algorithm_name == "RS256"
    assert source.all().keys() == {kid}
