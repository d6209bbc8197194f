"""The Auth Service asks whose passkey has signed a challenge."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url

from shared.auth.passkeys import request_options
from shared.limits.ratelimit import Hits, RateLimitPolicy
from shared.tests.authenticator import Authenticator
from tests.factories import PASSWORD
from tests.factors.conftest import ORIGIN
from users.events.models import Event
from users.factors import passkeys

CHALLENGE = b"c" * 32
ASKED = request_options(CHALLENGE)
PATH = "/api/v1/users/passkeys/verify"
CLIENT = {"ip": "192.0.2.7", "user_agent": "Firefox"}


@pytest.fixture
def log_in(auth):
    """The answer for what an authenticator has signed, or for another credential."""

    def verify(answer, **more):
        body = {
            "challenge": bytes_to_base64url(CHALLENGE),
            "client": CLIENT,
            "device": "",
        }
        return auth.post(PATH, {**body, "credential": answer, **more})

    return verify


def test_whose_passkey_it_is(ada, passkey, authenticator, log_in):
    answer = log_in(authenticator.get(ASKED))

    assert answer.status_code == 200
    assert answer.json() == {
        "sub": str(ada.pk),
        "email": "ada@example.org",
        "email_verified": False,
        "username": "ada",
        "roles": [],
        "session_epoch": ada.session_epoch,
        "amr": ["hwk", "user"],
        "device": answer.json()["device"],
    }
    assert answer.json()["device"]
    ada.refresh_from_db()
    assert ada.last_login


def test_none_logs_in_where_factors_are_off(passkey, authenticator, log_in, settings):
    """Its owner could neither see it nor remove it."""
    settings.SECOND_FACTOR = "off"
    answer = log_in(authenticator.get(ASKED))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    settings.SECOND_FACTOR = "optional"
    authenticator.count += 1
    assert log_in(authenticator.get(ASKED)).status_code == 200


@pytest.fixture
def faults(monkeypatch):
    """What was wrong with the signatures that were verified."""
    found = []
    original = passkeys.verify_authentication_response

    def verify(**given):
        try:
            return original(**given)
        except Exception as exc:
            found.append(str(exc))
            raise

    monkeypatch.setattr(passkeys, "verify_authentication_response", verify)
    return found


def test_all_that_is_wrong_is_alike(ada, passkey, authenticator, other, log_in, faults):
    """PK-06: an unknown passkey, a wrong signature, an absent user, and a challenge of
    another login: no answer and no statement tells them apart, and a signature is
    verified for each."""
    absent_user, absent = other
    absent_user.deactivate()
    unknown = Authenticator(ORIGIN, "memo.example", count=2, user_handle=b"h" * 32)
    wrong = Authenticator(ORIGIN, "memo.example", id=authenticator.id, count=2)
    tries = [each.get(ASKED) for each in (unknown, wrong, absent)]
    tries.append(authenticator.get(request_options(b"d" * 32)))
    answers, statements = [], []

    for each in tries:
        with CaptureQueriesContext(connection) as queries:
            answers.append(log_in(each))
        statements.append([query["sql"][:60] for query in queries])

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"invalid_credentials"}
    assert all(each == statements[0] for each in statements)
    assert len(faults) == 4
    assert faults[:3] == ["Could not verify authentication signature"] * 3
    # What the owner of a known passkey gets to know.
    events = Event.objects.filter(event="authn_login_fail")
    assert [each.user_id for each in events] == [ada.pk] * 2


@pytest.fixture
def tries(log_in, redis_round_trips):
    """The status of each of so many tries with a passkey, and its round trips."""
    Hits().hit(RateLimitPolicy("LOGIN_LIMIT_ADDRESS", ""))  # loads the script

    def measure(count, key):
        for _ in range(count):
            del redis_round_trips[:]
            yield log_in(key.get(ASKED)).status_code, len(redis_round_trips)

    return measure


def test_failures_beyond_the_limit_leave_a_row_a_day(
    passkey, authenticator, tries, documented
):
    """PK-06: of a known passkey as of a known name. No answer and no round trip tells
    it from an unknown one, and the passkey itself still logs in."""
    unknown = Authenticator(ORIGIN, "memo.example", user_handle=b"h" * 32)
    wrong = Authenticator(ORIGIN, "memo.example", id=authenticator.id)
    answers = [*tries(40, wrong)]
    assert {status for status, _ in answers} == {401}
    assert [*tries(40, unknown)] == answers
    rows = Event.objects.filter(event__startswith="authn_login_fail")
    assert rows.count() == 30 + 2
    rows.update(at=timezone.now() - timedelta(days=1))
    assert len([*tries(2, wrong)]) == 2
    assert rows.count() == 32 + 2
    assert [status for status, _ in tries(1, authenticator)] == [200]


def test_failures_of_a_passkey_leave_the_passwords_their_tries(
    ada, passkey, authenticator, tries, limited, guess
):
    limited(LOGIN_LIMIT_ACCOUNT="2/day")
    wrong = Authenticator(ORIGIN, "memo.example", id=authenticator.id)
    assert len([*tries(3, wrong)]) == 3
    assert guess(PASSWORD).status_code == 200


def test_what_fails_is_logged_with_where_it_came_from(log_in, audits):
    log_in({"id": "x"})
    assert audits("event", "site", "ip") == [("authn_login_fail", "api", CLIENT["ip"])]


@pytest.mark.parametrize(
    "body",
    [
        {"challenge": None},
        {"challenge": "a"},
        {"credential": "text"},
        {"credential": None},
        {"device": 1},
        {"client": {"ip": "x", "user_agent": ""}},
    ],
    ids=repr,
)
def test_a_service_that_asks_for_something_else(body, log_in):
    assert log_in({}, **body).json()["code"] == "validation_error"
