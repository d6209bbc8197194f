"""Keys from a JWK Set: fetched seldom, never waited for, never lost at once."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import RSAAlgorithm

from shared.api.exceptions import DependencyUnavailable
from shared.keys import keyring, signing_keys
from shared.keys.jwks_client import JWKSKeys
from shared.tests.stubs import StubService, running

FLOOD = [f"{number:043d}" for number in range(2000)]


@pytest.fixture(scope="module")
def pairs():
    return [generate_private_key(public_exponent=65537, key_size=2048) for _ in "ab"]


@pytest.fixture
def kid(pairs):
    return signing_keys.thumbprint(pairs[0].public_key())


@pytest.fixture
def stub(pairs):
    with running(StubService()) as server:
        publish(server, pairs[0])
        yield server


@pytest.fixture
def source(stub):
    """Never fetching by itself, so that every request has a reason in the test."""
    found = JWKSKeys(f"{stub.url}/.well-known/jwks.json")
    found.key_set.interval = 60.0
    yield found
    found.key_set.close()


def publish(stub, *pairs):
    stub.answer(
        200, {"keys": [signing_keys.public_jwk(pair.public_key()) for pair in pairs]}
    )


def test_the_first_token_fetches_and_the_others_do_not(source, stub, kid):
    for _ in range(100):
        assert source.find(kid).key_id == kid
    assert len(stub.requests) == 1
    assert "X-Internal-Api-Key" not in stub.requests[0]["headers"]


def test_of_threads_that_come_at_once_none_makes_a_set_of_its_own(
    stub, monkeypatch, settings
):
    """Each would be fetched for as long as the process lives."""
    settings.JWT_JWKS_URL = f"{stub.url}/at-once"
    start = threading.Barrier(8)

    def slowly(url):
        time.sleep(0.05)
        return JWKSKeys(url)

    def first(_):
        start.wait()
        return keyring.verifying_keys()

    monkeypatch.setattr("shared.keys.jwks_client.JWKSKeys", slowly)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == 1


def test_what_cannot_be_a_kid_of_ours_asks_nobody(source, stub, kid):
    source.find(kid)
    source.key_set.cooldown = 0.0
    for odd in ("", "../../etc/passwd", "x" * 44, "\0" * 43):
        assert source.find(odd) is None
    assert len(stub.requests) == 1


def test_a_flood_of_unknown_kids_makes_one_request_in_a_cooldown(source, stub, kid):
    source.find(kid)
    source.key_set.cooldown = 0.5
    started = time.monotonic()

    def flood():
        for made_up in FLOOD:
            # It is raised while another thread's fetch is under way.
            with suppress(DependencyUnavailable):
                assert source.find(made_up) is None

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cooldowns = int((time.monotonic() - started) / 0.5) + 1
    assert 1 <= len(stub.requests) <= 1 + cooldowns
    assert len(source.absent.entries) <= 1024


def test_an_unknown_kid_is_not_looked_for_again(source, stub, kid):
    source.find(kid)
    source.key_set.cooldown = 0.0
    for _ in range(10):
        assert source.find(FLOOD[0]) is None
    assert len(stub.requests) == 2


def test_nobody_waits_for_a_fetch_that_hangs(source, stub, kid):
    source.find(kid)
    source.key_set.cooldown = 0.0
    fetching, go = threading.Event(), threading.Event()

    def hang(handler):
        fetching.set()
        assert go.wait(4)

    stub.before = hang
    first = threading.Thread(target=lambda: source.find(FLOOD[0]))
    first.start()
    assert fetching.wait(2)
    for _ in range(1000):
        assert source.find(kid).key_id == kid
    for other in FLOOD[1:100]:
        with pytest.raises(DependencyUnavailable):
            source.find(other)
    assert first.is_alive()
    assert len(stub.requests) == 2
    go.set()
    first.join()


def test_a_new_key_is_found_and_a_revoked_one_gone(source, stub, pairs, kid):
    source.find(kid)
    source.key_set.cooldown = 0.0
    publish(stub, pairs[1])
    new = signing_keys.thumbprint(pairs[1].public_key())
    assert source.find(new).key_id == new
    assert source.find(kid) is None


def test_the_thread_looks_by_itself(stub, pairs, kid):
    source = JWKSKeys(stub.url)
    source.key_set.interval = 0.1
    assert source.find(kid)
    publish(stub, pairs[1])
    until = time.monotonic() + 5
    while kid in source.all() and time.monotonic() < until:
        time.sleep(0.05)
    source.key_set.close()
    assert kid not in source.all()


TROUBLE = [(500, {}), (200, b"<html>"), (200, {"keys": []}), (302, {})]


@pytest.mark.parametrize(("status", "body"), TROUBLE)
def test_what_was_good_serves_on_and_the_unknown_is_503(
    source, stub, kid, status, body
):
    source.find(kid)
    source.key_set.cooldown = 0.0
    stub.answer(status, body)
    with pytest.raises(DependencyUnavailable):
        source.find(FLOOD[0])
    assert source.find(kid).key_id == kid


def test_without_any_key_it_is_503_and_never_a_refusal(source, stub, kid):
    stub.answer(500, {})
    with pytest.raises(DependencyUnavailable):
        source.find(kid)
    with pytest.raises(DependencyUnavailable):
        source.all()


def test_what_is_no_key_of_ours_is_left_out(source, stub, pairs, kid):
    good = signing_keys.public_jwk(pairs[0].public_key())
    other = signing_keys.public_jwk(pairs[1].public_key())
    private = {**json.loads(RSAAlgorithm.to_jwk(pairs[1])), **other}
    bad = [private, {**other, "alg": "RS512"}, {**other, "kid": FLOOD[0]}]
    bad += [{**other, "use": "enc"}, {"kty": "oct", "k": "AA"}, "x"]
    stub.answer(200, {"keys": [*bad, good]})
    assert source.find(kid).algorithm_name == "RS256"
    assert source.all().keys() == {kid}
