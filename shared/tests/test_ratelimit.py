"""Hits, releases and refusals, on the real package and a real Redis."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import ratelimit
from shared.api.client_ip import network
from shared.api.exceptions import AccountExists, DependencyUnavailable, RateLimited
from shared.auth import session_state
from shared.ratelimit import Hits, RateLimitPolicy, clear


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.LIMITS = {"A": "3/minute", "B": "2/minute; 3/hour"}


def policy(name: str = "A", subject: str = "somebody") -> RateLimitPolicy:
    return RateLimitPolicy(name, subject)


def passed(policy: RateLimitPolicy, times: int) -> int:
    """How many of so many hits, one after the other, are within the limit."""
    return sum(Hits().hit(policy) is None for _ in range(times))


def counts() -> dict[str, int]:
    """What is counted in Redis, by the amount that its key ends with."""
    client = session_state.connection()
    keys = client.scan_iter(f"{ratelimit.prefix()}:*")
    return {
        "/".join(key.decode().split("/")[-3:]): int(client.get(key)) for key in keys
    }


def test_so_many_pass_in_a_window(pass_time: Any) -> None:
    assert passed(policy(), 5) == 3
    assert passed(policy(subject="another"), 5) == 3
    pass_time(61)
    assert passed(policy(), 5) == 3


def test_a_hit_spends_a_unit_of_each_window(pass_time: Any) -> None:
    assert passed(policy("B"), 3) == 2
    assert counts() == {"2/1/minute": 2, "3/1/hour": 2}
    pass_time(61)
    assert passed(policy("B"), 3) == 1
    # What the hour refuses is given back to the minute.
    assert counts() == {"2/1/minute": 1, "3/1/hour": 3}


def test_a_refusal_releases_the_whole_chain(caplog: Any) -> None:
    """429s spend nothing."""
    passed(policy("B"), 2)
    for _ in range(3):
        with pytest.raises(RateLimited) as refused, Hits(user_id="u") as hits:
            hits.require(policy("A"), policy("B"))
    assert 55 <= refused.value.wait <= 60
    assert counts() == {"3/1/minute": 0, "2/1/minute": 2, "3/1/hour": 2}
    record = caplog.records[-1]
    assert (record.event, record.limit, record.user_id) == (
        "excess_rate_limit_exceeded",
        "B",
        "u",
    )


@pytest.mark.parametrize(
    ("error", "count"), [(AccountExists, 1), (DependencyUnavailable, 0), (KeyError, 0)]
)
def test_an_error_gives_back_but_an_outcome_counts(
    error: type[Exception], count: int
) -> None:
    def attempt() -> None:
        with Hits(AccountExists) as hits:
            hits.require(policy())
            raise error

    with pytest.raises(error):
        attempt()
    assert counts() == {"3/1/minute": count}


def test_a_release_is_of_the_policies_that_are_named() -> None:
    first, second = policy("A"), policy("B")
    with Hits() as hits:
        hits.require(first, second)
        hits.release(second)
    assert counts() == {"3/1/minute": 1, "2/1/minute": 0, "3/1/hour": 0}


def test_clearing_forgets_all_windows_in_one_round_trip(
    redis_round_trips: list[int],
) -> None:
    passed(policy("B"), 1)
    del redis_round_trips[:]
    clear([policy("A"), policy("B")])
    assert len(redis_round_trips) == 1
    assert counts() == {}


def test_a_key_always_ends(pass_time: Any) -> None:
    """Also one that is released when its window is over."""
    with Hits() as hits:
        hits.require(policy())
        pass_time(61)
        hits.release(*{hit.policy for hit in hits.spent})
    client = session_state.connection()
    [key] = client.scan_iter(f"{ratelimit.prefix()}:*")
    assert 0 < client.ttl(key) <= 60


@pytest.fixture(params=["redis", "memory"])
def storage(request: Any) -> None:
    """Where hits are counted in this test."""
    if request.param == "memory":
        for _ in range(3):
            ratelimit.breaker.failed()


def test_of_a_hundred_at_once_so_many_pass(storage: None, settings: Any) -> None:
    """CONC-03: N spend N units, the first of them too."""
    settings.WEB_CONCURRENCY = 1
    settings.LIMITS = {"A": "40/minute"}
    start = threading.Barrier(100)

    def go(_: int) -> bool:
        start.wait()
        return Hits().hit(policy()) is None

    with ThreadPoolExecutor(100) as pool:
        assert sum(pool.map(go, range(100))) == 40


def test_a_breaker_that_is_open_is_respected(redis_round_trips: list[int]) -> None:
    """No hit, release or clearing waits for a Redis that does not answer."""
    for _ in range(3):
        ratelimit.breaker.failed()
    with Hits() as hits:
        hits.require(policy())
        hits.release(*{hit.policy for hit in hits.spent})
        clear([policy()])
    assert redis_round_trips == []


@pytest.mark.parametrize(("workers", "least"), [(1, 6), (2, 3), (4, 1), (50, 1)])
def test_in_memory_each_worker_has_its_part(
    settings: Any, workers: int, least: int
) -> None:
    settings.LIMITS = {"A": "6/minute"}
    settings.WEB_CONCURRENCY = workers
    for _ in range(3):
        ratelimit.breaker.failed()
    assert passed(policy(), 10) == least


def test_trouble_is_logged_by_its_type_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """LOG-02: messages may quote keys."""

    def fail(*args: Any) -> None:
        raise RedisConnectionError("users:limit:secret")

    monkeypatch.setattr(ratelimit.RedisStorage, "incr", fail)
    assert Hits().hit(policy()) is None
    assert "redis hit failed: ConnectionError" in caplog.text
    assert "secret" not in caplog.text


def test_what_redis_has_counted_is_released_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Hits() as hits:
        hits.require(policy())
        for _ in range(3):
            ratelimit.breaker.failed()
        hits.require(policy())
        hits.release(*{hit.policy for hit in hits.spent})
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
def test_a_network_is_the_first_bits(
    address: str | None, bits: tuple[int, int], expected: str
) -> None:
    """BF-07."""
    assert network(address, *bits) == expected
