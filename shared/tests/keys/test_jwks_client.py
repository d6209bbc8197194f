"""Keys from a JWK Set: fetched seldom, bounded in time and size, never lost at once."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from jwt.algorithms import RSAAlgorithm

from nginx.tests.stub_service import send_slowly
from shared.api.exceptions import DependencyUnavailable
from shared.http import deadline
from shared.keys import jwks_client, signing_keys
from shared.keys.jwks_client import JWKSetClient

FLOOD = [f"{number:043d}" for number in range(2000)]


@pytest.fixture
def pairs(issuer_key, foreign_key):
    """Of the first, the set has the public key."""
    return issuer_key, foreign_key


@pytest.fixture
def kid(issuer_key):
    return signing_keys.thumbprint(issuer_key.public_key())


@pytest.fixture
def other(foreign_key):
    return signing_keys.thumbprint(foreign_key.public_key())


@pytest.fixture
def stub(stub, pairs):
    publish(stub, pairs[0])
    return stub


@pytest.fixture
def new(stub):
    """A client that has fetched nothing yet."""
    return JWKSetClient(f"{stub.url}/.well-known/jwks.json")


@pytest.fixture
def source(new):
    """One that has just fetched the set."""
    new.fetch()
    return new


def passes(client, seconds):
    """Time, for this client."""
    client.fetched_at -= seconds
    client.tried_at -= seconds


def member(pair, **changes):
    return {**signing_keys.public_jwk(pair.public_key()), **changes}


def publish(stub, *pairs):
    stub.always(200, {"keys": [member(pair) for pair in pairs]})


@contextmanager
def held(stub, ask):
    """The result of `ask`, whose request hangs until the block ends."""
    came, go = threading.Event(), threading.Event()

    def hang(handler):
        came.set()
        assert go.wait(4)
        handler.usual()

    stub.answer = hang
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)
        try:
            assert came.wait(2)
            yield answer
        finally:
            go.set()


def test_many_tokens_and_threads_make_one_request(new, stub, kid, monkeypatch):
    """No proxy of the environment is used, and no key of ours sent."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    stub.answer = lambda handler: time.sleep(0.1) or handler.usual()

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda _: new.find(kid).key_id, range(8))
        assert set(found) == {kid}
    for _ in range(100):
        assert new.find(kid).key_id == kid

    (request,) = stub.received
    assert request["headers"]["Cache-Control"] == "no-cache"
    assert "X-Internal-Api-Key" not in request["headers"]


def test_a_set_behind_a_private_ca_is_fetched_if_it_is_trusted(
    stub, private_ca, kid, settings
):
    url = f"https://localhost:{stub.server_address[1]}/.well-known/jwks.json"

    with pytest.raises(DependencyUnavailable):
        JWKSetClient(url).find(kid)
    settings.REQUESTS_CA_BUNDLE = str(private_ca)
    assert JWKSetClient(url).find(kid).key_id == kid


def test_a_flood_of_unknown_kids_makes_one_request_in_a_cooldown(
    source, stub, monkeypatch
):
    monkeypatch.setattr(jwks_client, "COOLDOWN", 0.5)
    started = time.monotonic()

    def flood(_):
        for made_up in FLOOD:
            # Raised while another thread fetches.
            with suppress(DependencyUnavailable):
                assert source.find(made_up) is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(flood, range(8)))
    cooldowns = int((time.monotonic() - started) / 0.5) + 1
    assert 1 <= stub.requests <= 1 + cooldowns


def test_a_new_key_is_found_after_the_cooldown(source, stub, pairs, other):
    publish(stub, *pairs)
    assert source.find(other) is None
    passes(source, 11)
    for odd in ("", "../../etc/passwd", "x" * 44, "\0" * 43):
        assert source.find(odd) is None
    assert stub.requests == 1  # what cannot be a kid of ours causes no request
    assert source.find(other).key_id == other


def test_a_fetch_that_ends_meanwhile_is_no_refusal(source, other):
    """Of another thread: the key may be in the set that it got."""
    source.all()
    passes(source, 11)
    looked_up = []

    class Keys(dict):
        def get(self, kid):
            looked_up.append(kid)
            if len(looked_up) == 2:
                source.fetching.release()
            return super().get(kid)

    source.keys = Keys(source.keys)
    source.fetching.acquire()
    with pytest.raises(DependencyUnavailable):
        source.find(other)


@pytest.mark.parametrize("due", [False, True])
def test_only_one_thread_waits_for_a_fetch_that_hangs(source, stub, kid, due):
    """Due by age, or asked for by a kid that may be a new key's."""
    passes(source, 31 if due else 15)
    with held(stub, lambda: source.find(kid if due else FLOOD[0])) as first:
        for _ in range(1000):
            assert source.find(kid).key_id == kid
        for made_up in FLOOD[1:100]:
            with pytest.raises(DependencyUnavailable):
                source.find(made_up)
        assert not first.done()
        assert stub.requests == 2


def test_a_server_that_trickles_is_hung_up_on(source, stub, kid, monkeypatch):
    monkeypatch.setattr(deadline, "ANSWER_TIME", 0.5)
    passes(source, 31)
    stub.answer = send_slowly
    started = time.monotonic()
    assert source.find(kid).key_id == kid
    assert time.monotonic() - started < 2
    assert not source.succeeded


TROUBLE = [
    *((500, {}), (302, {}), (200, b"<html>"), (200, []), (200, {"keys": []})),
    *((200, {"keys": 5}), (200, b"[" * 9000)),
    (200, b" " * (jwks_client.MAXIMUM_BYTES + 1)),
]


@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_the_last_good_set_serves_and_an_unknown_kid_is_503(
    source, stub, kid, status, body, caplog
):
    passes(source, 31)
    stub.always(status, body)
    with pytest.raises(DependencyUnavailable):
        source.find(FLOOD[0])
    for _ in range(100):
        assert source.find(kid).key_id == kid

    assert stub.requests == 2
    assert caplog.records[-1].event == "jwks"
    assert "fetching the JWK Set failed" in caplog.text


def test_it_serves_for_an_hour_and_each_cooldown_asks_again(source, stub, kid):
    stub.always(500, {})
    for _ in range(59):
        passes(source, 60)
        assert source.find(kid).key_id == kid
    assert stub.requests == 1 + 59
    passes(source, 61)
    with pytest.raises(DependencyUnavailable):
        source.find(kid)


def test_without_any_key_it_is_503_and_never_a_refusal(new, stub, kid):
    for answer in ((500, {}), (200, {"keys": []})):
        stub.received.clear()
        stub.always(*answer)
        for ask in (new.all, lambda: new.find(kid)) * 5:
            with pytest.raises(DependencyUnavailable):
                ask()
        assert stub.requests == 1
        passes(new, 11)


@pytest.mark.parametrize("failures", [0, 1])
def test_a_revoked_key_is_gone_within_a_minute(
    source, stub, pairs, kid, other, failures
):
    """Even if one fetch fails."""
    passes(source, 31)
    if failures:
        stub.always(500, {})
        assert source.find(kid)
        passes(source, 11)
    publish(stub, pairs[1])

    assert source.all().keys() == {other}
    assert source.find(kid) is None


def test_after_a_quiet_time_no_request_uses_the_old_set(source, stub, pairs, other):
    """Two that come at once, the first for a minute."""
    publish(stub, pairs[1])
    passes(source, 60)
    with ThreadPoolExecutor(1) as pool:
        with held(stub, source.all) as first:
            second = pool.submit(source.all)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.1)

        assert first.result().keys() == second.result().keys() == {other}


def test_a_private_key_is_left_out_and_its_primes_are_not_computed(
    new, stub, pairs, kid, monkeypatch
):
    """That takes PyJWT minutes for a number of this many bits."""
    recover = "jwt.algorithms.rsa_recover_prime_factors"
    monkeypatch.setattr(recover, lambda *_: 1 / 0)
    foreign = member(pairs[1], d="AQAB")
    stub.always(200, {"keys": [foreign, member(pairs[0])]})
    assert new.all().keys() == {kid}


def test_keys_that_are_not_ours_are_left_out(new, stub, pairs, kid):
    foreign = pairs[1]
    small = RSAPublicNumbers(65537, (1 << 1023) | 1).public_key()
    odd = [{"alg": alg} for alg in ("RS512", ["RS256"], None)]
    odd += [{"use": "enc"}, {"n": 5}, {"n": "*"}, {"kid": FLOOD[0]}]
    bad = [
        {**json.loads(RSAAlgorithm.to_jwk(foreign)), **member(foreign)},  # private
        *(member(foreign, **changes) for changes in odd),
        signing_keys.public_jwk(small),
        {"kty": "oct", "k": "AA", "alg": "RS256", "use": "sig", "kid": FLOOD[1]},
        *({}, "x", None, 5, []),
    ]
    stub.always(200, {"keys": [*bad, member(pairs[0])]})

    assert new.find(kid).algorithm_name == "RS256"
    assert new.all().keys() == {kid}
