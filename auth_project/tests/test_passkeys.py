"""Logging in with a passkey alone. What its assertion proves is the User Service's to
say; the challenge, and that it is used once, are ours."""

from datetime import timedelta

import pytest
from django.db.models import F
from jwt.utils import base64url_decode

from tests.conftest import cookie_of, outcome, post, refresh, refresh_token
from tests.test_races import at_once
from tests.test_second_factors import CLIENT, claims_of, pending
from tokens.models import Event, Login, Session
from tokens.pending_logins import TRIES

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("trusted_kid", "users")]

REFUSED = (401, "invalid_credentials")


def begin():
    answer = post("login/passkey/options")
    assert answer.status_code == 200
    return answer.json()


def signed(begun):
    """What the client sends whose passkey has signed the challenge."""
    credential = {"signed": begun["passkey"]["challenge"]}
    return {"login": begun["login"], "credential": credential}


def log_in(body, cookie=None, **headers):
    return post("login/passkey", cookie, body, **headers)


def test_the_options_say_nothing_of_any_user(settings):
    settings.WEBAUTHN_RP_ID = "memo.example"
    begun = begin()

    challenge = begun["passkey"].pop("challenge")
    assert begun["passkey"] == {
        "rpId": "memo.example",
        "timeout": 300_000,
        "userVerification": "required",
    }
    row = Login.objects.get()
    assert base64url_decode(challenge) == bytes(row.challenge)
    assert len(bytes(row.challenge)) == 32
    assert begun["expires_in"] == 300
    assert (row.user_id, row.purpose) == (None, "passkey")


def test_it_opens_a_session_of_the_second_level(users, session):
    users.device = "d:2:s"

    answer = log_in(signed(begin()), refresh_token(session), **CLIENT)

    assert answer.status_code == 200
    opened = Session.objects.get(revoked_at=None)
    assert (opened.acr, opened.amr) == ("aal2", "hwk user mfa")
    assert str(opened.user_id) == users.user["id"]
    assert (opened.ip, opened.user_agent) == ("192.0.2.7", "curl/8")
    claims = claims_of(answer)
    assert (claims["acr"], claims["amr"]) == ("aal2", ["hwk", "user", "mfa"])
    assert cookie_of(answer) == refresh_token(opened)
    assert answer.cookies["device"].value == "d:2:s"
    session.refresh_from_db()
    assert session.revoked_reason == "replaced"
    (proof,) = users.proofs
    assert proof["client"] == {"ip": "192.0.2.7", "user_agent": "curl/8"}
    event = Event.objects.get(event="authn_login_success")
    assert (event.sid, event.data) == (opened.id, {"acr": "aal2"})


def test_it_is_enough_where_a_second_factor_is_required(users):
    users.required = True
    answer = log_in(signed(begin()))

    assert answer.status_code == 200
    assert refresh(cookie_of(answer)).status_code == 200


def test_whatever_is_wrong_is_alike(users):
    """PK-07: an unknown login, one of another kind, one that is used, expired or tried
    too often; a challenge of another login; an unknown passkey; an epoch raised since.
    """
    other, used, late, tried, ended = (begin() for _ in range(5))
    users.methods = ["totp"]
    second = pending()
    assert log_in(signed(used)).status_code == 200
    ago = timedelta(seconds=301)
    newest = Login.objects.order_by("created_at")
    late_row, tried_row = newest[2], newest[3]
    Login.objects.filter(id=late_row.id).update(expires_at=F("expires_at") - ago)
    Login.objects.filter(id=tried_row.id).update(attempts=TRIES)
    swapped = {**signed(other), "login": begin()["login"]}
    opened = Session.objects.count()

    tries = [{"login": "x", "credential": {}}, {"login": second, "credential": {}}]
    tries += [signed(used), signed(late), signed(tried), swapped]
    tries += [{**signed(other), "credential": {"signed": "x"}}]
    found = [log_in(body) for body in tries]
    Session.objects.raise_floors([users.user["id"]], 1)
    found.append(log_in(signed(ended)))

    assert {outcome(answer) for answer in found} == {REFUSED}
    assert Session.objects.count() == opened
    assert not any(answer.cookies for answer in found)


def test_its_login_is_no_second_factor_and_no_enrolment(users):
    users.methods = ["totp"]
    begun = begin()
    proof = {"login": begun["login"], "totp": "123456"}

    assert outcome(post("login/second_factor", None, proof)) == (401, "token_invalid")
    enrol = {"login": begun["login"]}
    assert outcome(post("login/enrol", None, enrol)) == (401, "token_invalid")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"login": "x"},
        {"login": "x", "credential": "x"},
        {"login": "x" * 65, "credential": {}},
        {"login": "x", "credential": {}, "email": "ada@example.org"},
    ],
    ids=repr,
)
def test_a_body_of_another_shape(body):
    assert outcome(log_in(body)) == (400, "validation_error")


@pytest.mark.parametrize("path", ["login/passkey", "login/passkey/options"])
def test_pages_of_other_sites_are_refused(path):
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = post(path, None, {"login": "x", "credential": {}}, **headers)
    assert outcome(answer) == (403, "cross_site_request")


def test_without_an_answer_of_the_user_service_nothing_is_opened(users):
    begun = begin()
    users.down = True
    assert outcome(log_in(signed(begun))) == (503, "dependency_unavailable")
    users.down = False
    assert log_in(signed(begun)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_twenty_uses_of_one_assertion_one_opens_a_session():
    """PK-07."""
    body = signed(begin())
    answers = at_once(*[lambda: log_in(body)] * 20)

    found = sorted(answer.status_code for answer in answers)
    assert found == [200] + [401] * 19
    opened = Session.objects.get()
    assert Event.objects.filter(sid=opened.id).count() == 1
