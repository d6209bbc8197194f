"""Users register passkeys of their own."""

import time

import pytest

from shared.auth.passkeys import request_options
from shared.tests.authenticator import Authenticator
from tests.factors.conftest import ORIGIN, registered
from tests.refusals import assert_refused
from users.factors import registration
from users.factors.models import Factor
from users.factors.passkeys import verify_assertion
from users.models import User

PASSKEYS = "/api/v1/users/me/factors/passkeys"
CHALLENGE = b"c" * 32


def add(client, authenticator, **more):
    asked = client.post(f"{PASSKEYS}/options")
    if asked.status_code != 200:
        return asked
    credential = authenticator.create(asked.json()["passkey"])
    body = {"name": "key", "credential": credential, **more}
    return client.post(PASSKEYS, body)


def test_a_passkey_that_was_added_signs(ada, me, authenticator):
    answer = add(me(), authenticator)

    assert answer.status_code == 201
    assert len(answer.json()["recovery_codes"]) == 10
    factor = Factor.objects.get(user=ada)
    assert (str(factor.pk), factor.name) == (answer.json()["id"], "key")
    authenticator.count += 1
    signed = authenticator.get(request_options(CHALLENGE))
    assert verify_assertion(signed, CHALLENGE).user == ada


def test_another_one_needs_the_second_level_and_ends_nothing(
    ada, me, authenticator, passkey, pushes, on_commit
):
    second = Authenticator(ORIGIN, "memo.example", count=1)
    assert_refused(add(me(), second), 401, "insufficient_user_authentication")

    with on_commit():
        answer = add(me(acr="aal2"), second)

    assert answer.status_code == 201
    assert answer.json()["recovery_codes"] == []
    assert not pushes


def test_a_stolen_token_adds_none(ada, me, authenticator):
    """PK-08: options of a new session do not help an old one, either."""
    asked = me().post(f"{PASSKEYS}/options").json()["passkey"]
    body = {"credential": authenticator.create(asked)}
    old = me(auth_time=int(time.time()) - 301)

    answer = old.post(PASSKEYS, body)

    assert_refused(answer, 401, "insufficient_user_authentication")
    assert 'max_age="300"' in answer["WWW-Authenticate"]
    assert not Factor.objects.exists()


def test_a_session_that_ends_meanwhile_adds_none(ada, me, authenticator, monkeypatch):
    """PK-08: by an act that removes what a thief has added, such as an undo."""
    check = registration.check

    def after_the_end(*args):
        User.objects.get().end_sessions()
        return check(*args)

    monkeypatch.setattr(registration, "check", after_the_end)
    assert_refused(add(me(), authenticator), 401, "token_revoked")
    assert not Factor.objects.exists()


def test_there_are_ten_at_most(ada, me, authenticator, passkey):
    client = me(acr="aal2")
    asked = client.post(f"{PASSKEYS}/options").json()["passkey"]
    for _ in range(9):
        registered(ada, Authenticator(ORIGIN, "memo.example"))

    assert_refused(client.post(f"{PASSKEYS}/options"), 409, "factor_limit")
    late = Authenticator(ORIGIN, "memo.example").create(asked)
    answer = client.post(PASSKEYS, {"credential": late})
    assert_refused(answer, 409, "factor_limit")
    assert Factor.objects.filter(user=ada).count() == 10


def test_the_passkey_of_another_user_is_not_taken_over(ada, me, other):
    _, theirs = other
    answer = add(me(), theirs)

    assert_refused(answer, 400, "validation_error")
    assert answer.json()["errors"].keys() == {"credential"}
    assert not Factor.objects.filter(user=ada).exists()


def test_an_enrol_token_adds_the_first_one_alone(
    ada, enrolling, authenticator, on_commit, pushes
):
    client = enrolling(sub=str(ada.pk), epoch=ada.session_epoch)
    with on_commit():
        assert add(client, authenticator).status_code == 201

    assert [push["keep_sid"] for push in pushes if "keep_sid" in push] == []
    ada.refresh_from_db()
    assert ada.kept_sid is None
    newer = enrolling(sub=str(ada.pk), epoch=ada.session_epoch)
    for again in (client, newer):
        refused = add(again, Authenticator(ORIGIN, "memo.example"))
        assert_refused(refused, 401, "token_revoked")


@pytest.mark.parametrize(
    "body",
    [{}, {"credential": "x"}, {"credential": {}, "name": "\u202e"}, {"other": 1}],
    ids=repr,
)
def test_a_body_of_another_shape(body, me):
    assert_refused(me().post(PASSKEYS, body), 400, "validation_error")


def test_a_suspect_passkey_is_registered_again(me, passkey, settings):
    """Where it is the only factor of a user who must have one, it cannot go first."""
    settings.SECOND_FACTOR = "required"
    Factor.objects.update(suspect_at="2026-01-01T00:00Z")
    client, old = me(acr="aal2"), f"/api/v1/users/me/factors/{passkey.pk}"
    assert_refused(client.delete(old), 409, "last_factor")
    asked = client.post(f"{PASSKEYS}/options").json()["passkey"]
    # An authenticator that has one of these makes no other one.
    assert asked["excludeCredentials"] == []
    again = Authenticator(ORIGIN, "memo.example", count=1).create(asked)
    assert client.post(PASSKEYS, {"credential": again}).status_code == 201
    assert client.delete(old).status_code == 204


def test_a_user_sees_which_passkey_is_suspect(passkey, me):
    url = "/api/v1/users/me/factors"
    [shown] = me().get(url).json()["factors"]
    assert (shown["backed_up"], shown["suspect_at"]) == (False, None)
    Factor.objects.update(suspect_at="2026-01-01T00:00Z")
    [shown] = me().get(url).json()["factors"]
    assert shown["suspect_at"] == "2026-01-01T00:00:00Z"
