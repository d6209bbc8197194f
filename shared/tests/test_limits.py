"""Counting, with a real Redis: what passes, what waits and for how long."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from shared.api.exceptions import DependencyUnavailable, InvalidCredentials, RateLimited
from shared.auth import session_state
from shared.checks import limits_that_are_off
from shared.limits import acts, attempts, buckets, in_redis, locks
from shared.limits.attempts import Act
from shared.limits.buckets import Bucket, Delays, Distinct, growing
from shared.limits.rules import DEFAULTS, Limit
from shared.tests.conftest import redis_away

HERE, THERE = "192.0.2.7", "203.0.113.9"


def rate(count, seconds=60, **fields):
    return Bucket("address", buckets.key("act", "address", "x"), Limit(count, seconds))


def pair(count, seconds=900):
    return growing("pair", buckets.key("act", "pair", "x"), Limit(count, seconds))


def passes(act):
    """Whether an attempt passes, which then counts as it is."""
    try:
        attempts.reserve(act)
    except RateLimited:
        return False
    return True


def wait_of(act):
    with pytest.raises(RateLimited) as refused:
        attempts.reserve(act)
    return refused.value.wait


def all_keys():
    client = session_state.connection()
    return list(client.scan_iter(match=f"{buckets.namespace()}:*", count=1000))


@pytest.fixture
def limited(settings):
    """The settings with these limits."""

    def limit(**limits):
        settings.LIMITS = {**DEFAULTS, **limits}

    return limit


# A rate


def test_a_rate_is_so_many_in_a_window(pass_time):
    act = Act("act", (rate(3),))
    assert [passes(act) for _ in range(5)] == [True, True, True, False, False]
    assert 55 <= wait_of(act) <= 60
    pass_time(58)
    assert 1 <= wait_of(act) <= 2
    pass_time(3)
    assert passes(act)


def test_a_refusal_counts_for_nothing(pass_time):
    """Or one who is refused by address would lock the account."""
    act = Act("act", (rate(1), pair(5)))
    assert passes(act)
    for _ in range(20):
        assert not passes(act)
    pass_time(61)
    assert passes(act)
    assert session_state.connection().get(pair(5).key) == b"2"


@pytest.mark.parametrize("order", [1, -1])
def test_the_longest_wait_is_the_answer(order):
    """Or who waits as long as they were told is refused again."""
    act = Act("act", (rate(1, 60), pair(1, 9000))[::order])
    assert passes(act)
    assert 595 <= wait_of(act) <= 600


def test_a_limit_of_nothing_is_none():
    act = Act("act", (rate(0), pair(0)))
    assert all(passes(act) for _ in range(20))
    assert all_keys() == []


@pytest.mark.parametrize("bucket", [rate, pair], ids=["rate", "delays"])
def test_of_a_hundred_at_once_so_many_pass(bucket):
    """BF-02, CONC-03."""
    act = Act("act", (bucket(5),))
    start = threading.Barrier(100)

    def go(_):
        start.wait()
        return passes(act)

    with ThreadPoolExecutor(100) as pool:
        assert sum(pool.map(go, range(100))) == 5


def test_a_script_that_redis_has_forgotten_is_sent_again(monkeypatch):
    monkeypatch.setattr(in_redis, "SHA", "0" * 40)
    act = Act("act", (rate(2),))
    assert [passes(act) for _ in range(3)] == [True, True, False]


# Delays


def test_waits_grow_from_one_to_fifteen_minutes(pass_time):
    """BF-01."""
    act = Act("act", (pair(5),))
    assert all(passes(act) for _ in range(5))
    waits = []
    for _ in range(7):
        wait = wait_of(act)
        waits.append(round(wait / 60))
        pass_time(wait - 1)
        assert not passes(act)
        pass_time(1.1)
        assert passes(act)
    assert waits == [1, 2, 4, 8, 15, 15, 15]


def test_failures_are_forgotten_after_a_window_without_one(pass_time):
    act = Act("act", (pair(5),))
    for _ in range(4):
        assert passes(act)
        pass_time(890)
    assert passes(act)
    pass_time(60 + 890)
    assert passes(act)  # a sixth: the wait doubles
    assert wait_of(act) > 60
    pass_time(120 + 901)
    assert all(passes(act) for _ in range(5))


def test_a_success_forgets_failures():
    """BF-05."""
    act = Act("act", (rate(10), pair(5)))
    for _ in range(4):
        passes(act)
    attempts.reserve(act).settle(success=True)
    assert all(passes(act) for _ in range(5))
    assert not passes(act)
    # Of the rate only the success itself was given back.
    assert session_state.connection().get(rate(10).key) == b"9"


@pytest.mark.parametrize(
    ("error", "counts"),
    [(InvalidCredentials, True), (DependencyUnavailable, False), (KeyError, False)],
)
def test_what_is_no_outcome_of_the_act_does_not_count(error, counts):
    """BF-05: 503 is nobody's failure."""
    act = Act("act", (rate(2), pair(1)), outcomes=(InvalidCredentials,))
    with pytest.raises(error), attempts.reserve(act):
        raise error
    assert passes(act) is not counts


def test_what_is_given_back_takes_along_a_wait_that_another_began():
    """Of attempts at once, the last may begin a wait before the first has ended."""
    act = Act("act", (pair(2),))
    first, _ = attempts.reserve(act), attempts.reserve(act)
    assert not passes(act)
    first.settle(success=False)
    assert [passes(act) for _ in range(2)] == [True, False]


# Networks


def spraying(member, count=3, slowed=2):
    return Distinct(
        "spraying",
        buckets.key("act", "spraying", "network"),
        Limit(count, 3600),
        slowed=Limit(slowed, 60),
        member=member,
    )


def test_a_network_from_which_many_accounts_fail_is_slowed(pass_time):
    """BF-07."""
    acts_ = [Act("act", (spraying(f"account{n}"),)) for n in range(8)]
    assert all(passes(acts_[0]) for _ in range(20))  # one account is no spraying
    assert all(passes(each) for each in acts_[1:4])
    assert [passes(each) for each in acts_[4:8]] == [True, True, False, False]
    assert 55 <= wait_of(acts_[0]) <= 60
    pass_time(61)
    assert [passes(acts_[0]) for _ in range(3)] == [True, True, False]
    assert session_state.connection().scard(spraying("").key) == 4  # and never more
    pass_time(3600)
    assert all(passes(acts_[0]) for _ in range(5))


def test_who_succeeds_is_no_failing_account():
    for n in range(20):
        attempts.reserve(Act("act", (spraying(f"account{n}"),))).settle(success=True)
    assert passes(Act("act", (spraying("one more"),)))
    assert session_state.connection().scard(spraying("").key) == 1


def test_a_success_of_ones_own_does_not_clear_a_slowed_network():
    for n in range(4):
        assert passes(Act("act", (spraying(f"account{n}"),)))
    attempts.reserve(Act("act", (spraying("account0"),))).settle(success=True)
    assert session_state.connection().scard(spraying("").key) == 4


# Log-ins


def log_in(login="ada@example.org", address=HERE):
    return acts.log_in(login, address)


def test_an_address_has_ten_attempts_a_minute():
    logins = [log_in(f"{n}@example.org") for n in range(12)]
    assert [passes(each) for each in logins].count(True) == 10
    assert passes(log_in(address=THERE))


def test_an_attacker_elsewhere_locks_nobody_out(limited):
    """BF-04."""
    for n in range(1, 20):
        for _ in range(5):
            assert passes(log_in(address=f"198.51.{n}.1"))
        assert not passes(log_in(address=f"198.51.{n}.1"))
    assert passes(log_in())


def test_beyond_the_ceiling_known_addresses_and_a_trickle_pass(pass_time):
    """BF-01, BF-04: at most 100 failures of an account in a row, NIST SP 800-63B-4."""
    first = attempts.reserve(log_in())
    first.settle(acts.remember(["ada@example.org", "ada"], HERE), success=True)
    guesses = [log_in(address=f"198.51.{n // 5}.1") for n in range(200)]
    assert sum(passes(each) for each in guesses) == 100
    assert 3590 <= wait_of(log_in(address=THERE)) <= 3600
    # Known or not, from one address there are five.
    known = [log_in(login) for login in ["ada@example.org", "ADA@example.org "] * 3]
    assert [passes(each) for each in known] == [True] * 5 + [False]
    pass_time(3601)
    assert [passes(log_in(address=THERE)) for _ in range(2)] == [True, False]


def test_without_a_trickle_nothing_passes_before_failures_are_forgotten(
    limited, pass_time
):
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(2, 600), LOGIN_TRICKLE=Limit(0, 3600))
    assert [passes(log_in(address=f"198.51.{n}.1")) for n in range(3)] == [
        True,
        True,
        False,
    ]
    assert 595 <= wait_of(log_in(address=THERE)) <= 600


def test_a_trickle_of_many_a_second_is_one_a_second(limited):
    limited(LOGIN_LIMIT_PER_ACCOUNT=Limit(1, 600), LOGIN_TRICKLE=Limit(1000, 60))
    assert passes(log_in(address="198.51.1.1"))
    assert wait_of(log_in(address=THERE)) == 1


def test_an_account_is_known_for_thirty_days_by_all_of_its_names(pass_time):
    attempts.reserve(log_in()).settle(
        acts.remember(["ada@example.org", "Ada"], HERE), success=True
    )
    client = session_state.connection()
    known = [acts.known(name, HERE) for name in ("ada@example.org", "ada")]
    for key in known:
        assert 30 * 86400 - 5 <= client.ttl(key) <= 30 * 86400
    assert not client.exists(acts.known("ada", THERE))


def test_a_success_forgets_the_failures_of_the_other_name():
    for _ in range(5):
        passes(log_in("ada"))
    assert not passes(log_in("ada"))
    attempts.reserve(log_in()).settle(
        acts.remember(["ada@example.org", "ada"], HERE), success=True
    )
    assert passes(log_in("ada"))


def test_all_together_have_a_limit_which_the_known_pass(limited):
    limited(LOGIN_LIMIT_GLOBAL=Limit(3, 60))
    attempts.reserve(log_in()).settle(
        acts.remember(["ada@example.org"], HERE), success=True
    )
    strangers = [log_in(f"{n}@example.org", f"198.51.{n}.1") for n in range(5)]
    assert [passes(each) for each in strangers].count(True) == 3
    assert passes(log_in())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
    ],
)
def test_a_client_is_an_address_or_a_64(one, other, same):
    """BF-07."""
    assert (buckets.address_of(one) == buckets.address_of(other)) is same


def test_a_network_is_a_24_or_a_64():
    assert buckets.network_of("192.0.2.77") == "192.0.2.0/24"
    assert buckets.network_of("2001:db8:0:1:2::3") == "2001:db8:0:1::/64"


# What is kept


def test_every_key_ends_and_names_nobody(settings):
    """BF-05, LOG-02."""
    login, address = "ada.lovelace@example.org", "198.51.100.77"
    for _ in range(12):
        passes(log_in(login, address))
    attempts.reserve(acts.refresh("0b1c", address))
    attempts.reserve(acts.register(address))
    attempts.reserve(log_in("b@example.org", THERE)).settle(
        acts.remember(["b@example.org"], THERE), success=True
    )
    found = all_keys()
    assert len(found) > 10
    client = session_state.connection()
    values = b""
    for key in found:
        assert 0 < client.ttl(key) <= 30 * 86400, key
        kind = client.type(key)
        values += (
            client.get(key) if kind == b"string" else b"".join(client.smembers(key))
        )
    text = b" ".join(found) + values
    for personal in (b"ada", b"lovelace", b"example", b"198.51", b"203.0"):
        assert personal not in text
    settings.SECRET_KEY = "another-" * 8
    assert passes(log_in(login, address))  # counted by another name


def test_memory_does_not_grow_with_attempts():
    for _ in range(50):
        passes(log_in())
    before = len(all_keys())
    for _ in range(50):
        passes(log_in())
    assert len(all_keys()) == before <= 10


# Without Redis


def test_what_has_no_floor_is_open_without_redis():
    with redis_away():
        assert all(passes(acts.refresh("0b1c", HERE)) for _ in range(100))


def test_a_breaker_that_is_open_is_respected(redis_round_trips):
    for _ in range(3):
        session_state.breaker.failed()
    redis_round_trips.clear()
    assert passes(log_in())
    assert redis_round_trips == []


# Settings and operators


def test_production_sees_each_limit_that_is_off():
    """Without the trickle a lock is harder, not weaker: it may be off anywhere."""
    off = {name: Limit(0, 60) for name in DEFAULTS}
    found = limits_that_are_off(SimpleNamespace(LIMITS=off))
    assert set(found) == set(DEFAULTS) - {"LOGIN_TRICKLE"}
    assert limits_that_are_off(SimpleNamespace(LIMITS=DEFAULTS)) == []


def test_locks_are_seen_and_lifted(caplog):
    for _ in range(6):
        passes(log_in())
        passes(log_in("bob"))
    [lock] = locks.locks(" ADA@example.org")
    assert (lock.limit, lock.failures) == ("login:pair", 5)
    assert 55 <= lock.seconds <= 60
    assert len(locks.locks()) == 2
    with caplog.at_level("INFO", logger="memo.audit"):
        assert locks.lift("ada@example.org") == 2
    assert caplog.records[-1].event == "authn_login_unlock"
    assert "example.org" not in str(vars(caplog.records[-1]))
    assert locks.locks("ada@example.org") == []
    assert locks.lift("bob", address=THERE) == 0
    assert len(locks.locks("bob")) == 1
    assert locks.lift("bob", address=HERE) == 1
    assert locks.locks() == []


def test_lifting_keeps_where_an_account_is_known_from():
    attempts.reserve(log_in()).settle(acts.remember(["ada"], HERE), success=True)
    locks.lift("ada")
    assert session_state.connection().exists(acts.known("ada", HERE))


def test_an_address_can_be_lifted():
    for n in range(11):
        passes(log_in(f"{n}@example.org"))
    assert not passes(log_in())
    locks.lift(HERE)
    assert passes(log_in())


def test_digests_have_a_form_of_their_own():
    assert re.fullmatch(r"[0-9a-f]{32}", buckets.digest("ada@example.org"))


def test_delays_know_their_first_and_longest_wait():
    assert isinstance(pair(5), Delays)
    assert (pair(5).first, pair(5).longest) == (60, 900)
