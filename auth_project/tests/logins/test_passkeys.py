"""Logging in with a passkey alone. What its assertion proves is the User Service's to
say; the challenge, and that it is used once, are ours."""

from datetime import timedelta

import pytest
from django.db.models import F
from jwt.utils import base64url_decode
from rest_framework.test import APIClient

from tests.conftest import (
    CLIENT,
    cookie_of,
    outcome,
    post,
    refresh,
    refresh_token,
)
from tests.logins.test_second_factors import assert_opens, pending
from tokens.models import PendingLogin, Session
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
    row = PendingLogin.objects.get()
    assert base64url_decode(challenge) == bytes(row.challenge)
    assert len(bytes(row.challenge)) == 32
    assert begun["expires_in"] == 300
    assert (row.user_id, row.purpose) == (None, "passkey")


def test_it_opens_a_session_of_the_second_level(users, session):
    """So it is enough where a second factor is required."""
    users.device, users.required = "d:2:s", True

    answer = log_in(signed(begin()), refresh_token(session), **CLIENT)

    assert_opens(answer, "hwk user mfa", session)
    (proof,) = users.proofs
    assert proof["client"] == {"ip": "192.0.2.7", "user_agent": "curl/8"}
    assert refresh(cookie_of(answer)).status_code == 200


@pytest.mark.parametrize("depth", [3, 16, 90])
@pytest.mark.parametrize("inside", ["1", "-1e999", "1e15"])
def test_what_cannot_be_sent_on_is_a_fault_of_the_client(users, depth, inside):
    """INP-01: the User Service, to whom it would go, has not failed. `1e15` would be
    three times as long."""
    nested = "[" * depth + inside + "]" * depth
    login = begin()["login"]
    body = f'{{"login": "{login}", "credential": {{"signed": {nested}}}}}'

    answer = APIClient().generic(
        "POST", "/api/v1/auth/login/passkey", body, "application/json"
    )

    is_sent = (depth, inside) == (3, "1")
    assert outcome(answer) == (REFUSED if is_sent else (400, "validation_error"))
    assert len(users.proofs) == is_sent


def test_whatever_is_wrong_is_alike(users):
    """PK-07: an unknown login, one of another kind, one that is used, expired or tried
    too often; a challenge of another login; an unknown passkey; an epoch raised since.
    """
    other, used, late, tried, ended = (begin() for _ in range(5))
    users.methods = ["totp"]
    second = pending()
    assert log_in(signed(used)).status_code == 200
    ago = timedelta(seconds=301)
    newest = PendingLogin.objects.order_by("created_at")
    late_row, tried_row = newest[2], newest[3]
    PendingLogin.objects.filter(id=late_row.id).update(expires_at=F("expires_at") - ago)
    PendingLogin.objects.filter(id=tried_row.id).update(attempts=TRIES)
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
