"""Hits, releases and refusals, on the real package and a real Redis."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.exceptions import RedisError

from shared.api.client_ip import network
from shared.api.exceptions import RateLimited
from shared.auth import session_state
from shared.limits import ratelimit
from shared.limits.ratelimit import Hits, RateLimitPolicy, clear


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.LIMITS = {"A": "3/minute", "B": "2/minute; 3/hour"}


def policy(name="A", subject="somebody"):
    return RateLimitPolicy(name, subject)


def passed(policy, times):
    """How many of so many hits, one after the other, are within the limit."""
    return sum(Hits().hit(policy) is None for _ in range(times))


def counts():
    """What is counted in Redis, by the amount that its key ends with."""
    client = session_state.connection()
    keys = client.scan_iter(f"{ratelimit.prefix()}:*")
    return {
        "/".join(key.decode().split("/")[-3:]): int(client.get(key)) for key in keys
    }


def open_breaker():
    for _ in range(3):
        ratelimit.breaker.failed()


def test_a_hit_spends_a_unit_of_each_window(pass_time):
    assert passed(policy("B"), 3) == 2
    assert passed(policy("B", "another"), 3) == 2
    clear([policy("B", "another")])
    assert counts() == {"2/1/minute": 2, "3/1/hour": 2}
    pass_time(61)
    assert passed(policy("B"), 3) == 1
    # What the hour refuses is given back to the minute.
    assert counts() == {"2/1/minute": 1, "3/1/hour": 3}


def test_a_refusal_releases_the_whole_chain(caplog):
    """429s spend nothing."""
    passed(policy("B"), 2)
    for _ in range(3):
        with pytest.raises(RateLimited) as refused, Hits(user_id="u") as hits:
            hits.require(policy("A"), policy("B"))
    assert 55 <= refused.value.wait <= 60
    assert counts() == {"3/1/minute": 0, "2/1/minute": 2, "3/1/hour": 2}
    record = caplog.records[-1]
    assert record.event == "excess_rate_limit_exceeded"
    assert (record.limit, record.user_id) == ("B", "u")


def test_a_refusal_stands_though_redis_does_not_say_how_long(monkeypatch):
    passed(policy(), 3)

    def fail(*_):
        raise RedisError

    monkeypatch.setattr(ratelimit.RedisStorage, "get_expiry", fail)
    with pytest.raises(RateLimited) as refused, Hits() as hits:
        hits.require(policy())
    assert refused.value.wait == 60


def test_a_key_always_ends(pass_time):
    """Also one that is released when its window is over."""
    with Hits() as hits:
        hits.require(policy())
        pass_time(61)
        hits.release(*hits.spent)
    client = session_state.connection()
    [key] = client.scan_iter(f"{ratelimit.prefix()}:*")
    assert 0 < client.ttl(key) <= 60


@pytest.mark.parametrize("storage", ["redis", "memory"])
def test_of_a_hundred_at_once_so_many_pass(storage, settings):
    """CONC-03: N spend N units, the first of them too."""
    if storage == "memory":
        open_breaker()
    settings.WEB_CONCURRENCY = 1
    settings.LIMITS = {"A": "40/minute"}
    start = threading.Barrier(100)

    def go(_):
        start.wait()
        return Hits().hit(policy()) is None

    with ThreadPoolExecutor(100) as pool:
        assert sum(pool.map(go, range(100))) == 40


def test_a_breaker_that_is_open_is_respected(redis_round_trips):
    """No hit, release or clearing waits for a Redis that does not answer. What it has
    counted is released there."""
    with Hits() as hits:
        hits.require(policy())
        redis_round_trips.clear()
        open_breaker()
        hits.require(policy("B"))
        hits.release(policy("B"))
        clear([policy("B")])
        assert redis_round_trips == []
        hits.release(*hits.spent)
    assert counts() == {"3/1/minute": 0}


@pytest.mark.parametrize(
    ("address", "bits", "expected"),
    [
        ("192.0.2.7", (32, 64), "192.0.2.7/32"),
        ("::ffff:192.0.2.7", (24, 56), "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", (32, 64), "2001:db8:1:2ff::/64"),
        ("2001:db8:1:2ff::1", (24, 56), "2001:db8:1:200::/56"),
        ("2001:db8:1:2ff::1", (24, 48), "2001:db8:1::/48"),
        (None, (24, 48), "unknown"),
    ],
)
def test_a_network_is_the_first_bits(address, bits, expected):
    """BF-07."""
    assert network(address, *bits) == expected
