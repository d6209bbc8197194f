"""Guessing at the login: what an attacker gets, and what a user."""

from datetime import timedelta

import pytest
from django.utils import timezone

from shared.auth import device_cookie, session_state
from tests.factories import NEW, PASSWORD, UserFactory
from tests.guesses import THERE, admin_log_in, counted, device_of, elsewhere, statuses
from tests.refusals import assert_refused
from users.events.models import Event
from users.models import User

pytestmark = pytest.mark.usefixtures("documented", "ada")
DAY = 24 * 3600


@pytest.fixture
def spray(guess):
    """Guess from as many addresses, each in a network of its own."""

    def from_everywhere(count, start=0):
        for n in range(start, start + count):
            guess(address=elsewhere(n))

    return from_everywhere


@pytest.fixture
def looked_at(audits):
    """How many of so many wrong passwords were not refused in silence."""
    return lambda count: count - audits("event").count(("authn_login_fail_max",))


def test_guesses_beyond_the_limit_leave_a_row_a_day(spray, quick, looked_at):
    """Strangers cannot fill the table, nor the owner's export. The log has all."""
    spray(40)
    assert looked_at(40) == 30
    rows = Event.objects.filter(event__startswith="authn_login_fail")
    assert rows.count() == 30 + 2
    rows.update(at=timezone.now() - timedelta(days=1))
    spray(2, start=40)
    assert rows.count() == 32 + 2


# By name


def test_five_failures_of_a_name_from_a_network(guess, quick, pass_time):
    """BF-01, BF-02: the sixth password is not looked at, however the name is typed."""
    spellings = ["ADA@example.org", " ada@example.org", "Ada@Example.ORG"] * 2
    assert statuses(guess(login=each) for each in spellings) == [401] * 5 + [429]
    answer = guess(PASSWORD, address="192.0.2.99")
    assert_refused(answer, 429, "rate_limited")
    assert 890 <= int(answer["Retry-After"]) <= 900
    assert len(quick) == 5
    assert guess(PASSWORD, address=THERE).status_code == 200
    pass_time(901)
    assert guess(PASSWORD).status_code == 200


def test_a_success_gives_its_own_hit_back_and_no_other(guess, quick):
    """What a name has failed stays: a stranger must not see that the owner came."""
    assert statuses(guess() for _ in range(3)) == [401] * 3
    assert statuses(guess(PASSWORD) for _ in range(3)) == [200] * 3
    assert statuses(guess() for _ in range(3)) == [401] * 2 + [429]


@pytest.mark.parametrize("door", ["api", "admin"])
def test_known_and_unknown_names_are_refused_alike(guess, quick, limited, door):
    """BF-04: an address over its limit, and names that logged in there or not exist."""
    limited(LOGIN_LIMIT_ADDRESS="11/minute")
    assert guess(PASSWORD).status_code == 200
    for n in range(10):
        guess(login=f"{n}@example.org")

    def refusal(email):
        answer = guess(login=email) if door == "api" else admin_log_in(email)
        same = dict.fromkeys(("X-Request-ID", "Retry-After"))
        return answer.status_code, {**answer.headers, **same}

    known, unknown = refusal("ada@example.org"), refusal("unknown@example.org")
    assert known == unknown
    assert known[0] == 429


def test_known_and_unknown_names_fail_alike(guess, quick, redis_round_trips):
    """PWD-06: in answers, in hashes and in round trips; beyond each limit too."""

    def seen(login):
        for n in range(40):  # the account's limit is 30
            del redis_round_trips[:], quick[:]
            answer = guess(login=login, address=elsewhere(n // 6))
            body = answer.json() | {"request_id": ""}
            yield answer.status_code, body, len(quick), len(redis_round_trips)

    known = [*seen("ada@example.org")]
    session_state.connection().delete(*counted())
    assert [*seen("unknown@example.org")] == known


# By device


def test_a_device_of_the_account_logs_in_under_attack(guess, spray, quick):
    """BF-04: whatever others do, from the same network too."""
    device = guess(PASSWORD).json()["device"]
    spray(31)
    assert statuses(guess() for _ in range(6)) == [401] * 5 + [429]
    assert guess(PASSWORD, address=THERE).status_code == 401  # silent
    assert guess(PASSWORD, device=device).status_code == 200
    # Which forgets the failures of the account.
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_devices_of_the_old_password_are_strangers(
    guess, quick, bearer, ada, looked_at
):
    """Ten of them guess the new password 50 times: 30 are looked at."""
    here = [elsewhere(n) for n in range(10)]
    devices = [guess(PASSWORD, address=each).json()["device"] for each in here]
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = bearer(sub=str(ada.pk)).post("/api/v1/users/me/change_password", body)
    fresh = answer.cookies[device_cookie.name()].value

    tries = [*zip(here, devices, strict=True)] * 5
    guesses = [guess(address=address, device=device) for address, device in tries]

    assert statuses(guesses) == [401] * 50
    assert looked_at(50) == 30
    assert guess(PASSWORD, address=elsewhere(99)).status_code == 401
    assert guess(PASSWORD, device=fresh).status_code == 200


def test_logging_out_everywhere_leaves_devices_alone(guess, quick, ada, limited):
    """A thief's `logout_all` must not make the owner's devices unknown."""
    limited(LOGIN_LIMIT_NAME="1/minute")
    device = guess(PASSWORD).json()["device"]
    ada.end_sessions()
    assert statuses([guess(), guess(PASSWORD)]) == [401, 429]
    assert guess(PASSWORD, device=device).status_code == 200


# By account


def test_all_names_and_doors_of_an_account_count_together(guess, quick, looked_at):
    """BF-01, BF-06. No answer tells that two names belong to one user."""
    said = set()
    for n in range(12):
        address = elsewhere(n)
        for login in ("ada@example.org", "ada"):
            answer = guess(login=login, address=address)
            said.add((answer.status_code, answer.json()["code"]))
        assert admin_log_in("ada@example.org", address=address).status_code == 200
    assert said == {(401, "invalid_credentials")}
    assert looked_at(36) == 30
    # Now not even the right one is.
    for login in ("ada@example.org", "ada"):
        assert guess(PASSWORD, login, elsewhere(200)).status_code == 401
    assert admin_log_in("ada@example.org", PASSWORD, elsewhere(201)).status_code == 200
    assert User.objects.get().last_login is None


@pytest.mark.parametrize(("before", "status"), [(29, 200), (30, 401)])
def test_the_thirtieth_guess_of_a_day_is_the_last(guess, spray, quick, before, status):
    spray(before)
    assert guess(PASSWORD, address=THERE).status_code == status
    assert len(quick) == before + 1  # beyond it the work is the same


def test_fifty_guesses_in_thirty_days(guess, spray, quick, pass_time, looked_at):
    """Silent refusals spend nothing of them."""
    for day in range(4):
        spray(35, 40 * day)
        pass_time(DAY + 1)
    assert looked_at(4 * 35) == 50
    assert guess(PASSWORD, address=THERE).status_code == 401
    pass_time(26 * DAY)
    assert guess(PASSWORD, address=THERE).status_code == 200


def test_ninety_nine_guesses_at_the_edge_of_two_windows(
    spray, quick, pass_time, limited, looked_at
):
    """NIST SP 800-63B-4, section 3.2.2, allows 100 in a row."""
    limited(LOGIN_LIMIT_ACCOUNT="50/30day")
    spray(1)
    pass_time(30 * DAY - 20)
    spray(49)
    pass_time(21)
    spray(60, 100)
    assert looked_at(49 + 60) == 99  # within a minute, at the end of thirty days


def test_a_stolen_device_has_twenty_guesses_a_day_and_fifty_in_thirty(
    guess, quick, ada, pass_time, limited
):
    """What it tries beyond that counts as a stranger's."""
    limited(LOGIN_LIMIT_ADDRESS="1000000/minute", LOGIN_LIMIT_NAME="1/30day")
    device, tried = device_of(ada), []
    for _ in range(4):
        within = 0
        for _ in range(3):
            within += sum(guess(device=device).status_code == 401 for _ in range(12))
            pass_time(901)
        tried.append(within)
        pass_time(DAY)
    assert tried == [21, 20, 10, 0]  # one of the first day is the stranger's


def test_a_silent_guess_renews_no_hash(guess, limited, hashes):
    old = UserFactory(hasher="pbkdf2_sha256").password
    limited(LOGIN_LIMIT_ACCOUNT="1/day")
    guess()
    User.objects.update(password=old)
    del hashes[:]
    assert guess(PASSWORD).status_code == 401
    assert hashes == []
    assert {user.password for user in User.objects.all()} == {old}
