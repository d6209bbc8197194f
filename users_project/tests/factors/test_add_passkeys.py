"""Users register passkeys of their own."""

import time
from functools import partial
from uuid import uuid4

import pytest

from shared.auth.passkeys import request_options
from shared.testing.authenticator import Authenticator
from tests.factors.conftest import ORIGIN, registered
from tests.refusals import assert_refused
from users.factors.models import Challenge, Factor
from users.factors.passkeys import verify_assertion
from users.models import Event

PASSKEYS = "/api/v1/users/me/factors/passkeys"
CHALLENGE = b"c" * 32


@pytest.fixture
def me(ada, bearer):
    """Ada's client in a session of this level."""
    sid = str(uuid4())
    return lambda **claims: bearer(sub=str(ada.pk), **{"sid": sid, **claims})


def add(client, authenticator, **more):
    asked = client.post(f"{PASSKEYS}/options")
    if asked.status_code != 200:
        return asked
    credential = authenticator.create(asked.json()["passkey"])
    body = {"name": "key", "credential": credential, **more}
    return client.post(PASSKEYS, body)


def test_the_first_one_brings_codes_and_ends_other_sessions(
    ada, me, authenticator, pushes, on_commit
):
    sid = str(uuid4())
    with on_commit():
        answer = add(me(sid=sid), authenticator)

    assert answer.status_code == 201
    assert len({*answer.json()["recovery_codes"]}) == 10
    [push] = pushes
    assert (push["reason"], push["keep_sid"]) == ("factor_added", sid)
    events = Event.objects.filter(user_id=ada.pk).order_by("pk")
    assert [each.event for each in events] == ["factor_added", "sessions_ended"]
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


@pytest.mark.parametrize("path", ["", "/options"])
def test_a_stolen_token_adds_none(path, ada, me, authenticator):
    """PK-08: options of a new session do not help an old one, either."""
    asked = me().post(f"{PASSKEYS}/options").json()["passkey"]
    body = {"credential": authenticator.create(asked)} if not path else None
    old = me(auth_time=int(time.time()) - 301)

    answer = old.post(f"{PASSKEYS}{path}", body)

    assert_refused(answer, 401, "insufficient_user_authentication")
    assert 'max_age="300"' in answer["WWW-Authenticate"]
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
    second = Authenticator(ORIGIN, "memo.example")
    assert_refused(add(client, second), 401, "token_revoked")


def test_of_two_first_ones_at_once_one_is_the_first(
    ada, bearer, at_once, authenticator, pushes
):
    """The epoch that the first one raises voids the other's challenge, or it needs the
    second level by then."""
    client = bearer(sub=str(ada.pk))
    keys = [Authenticator(ORIGIN, "memo.example") for _ in range(2)]
    asked = [client.post(f"{PASSKEYS}/options").json()["passkey"] for _ in keys]
    bodies = [
        {"credential": key.create(options)}
        for key, options in zip(keys, asked, strict=True)
    ]

    answers = at_once(*(partial(client.post, PASSKEYS, body) for body in bodies))

    assert sorted(answer.status_code for answer in answers)[0] == 201
    assert Factor.objects.filter(user=ada).count() == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"credential": "x"}, {"credential": {}, "name": "\u202e"}, {"other": 1}],
    ids=repr,
)
def test_a_body_of_another_shape(body, me):
    assert_refused(me().post(PASSKEYS, body), 400, "validation_error")


def test_without_second_factors_there_is_nothing(me, settings):
    settings.SECOND_FACTOR = "off"
    for path in (PASSKEYS, f"{PASSKEYS}/options"):
        assert_refused(me().post(path), 404, "not_found")
    assert not Challenge.objects.exists()


def test_a_user_sees_which_passkey_is_suspect(passkey, me):
    url = "/api/v1/users/me/factors"
    [shown] = me().get(url).json()["factors"]
    assert (shown["backed_up"], shown["suspect_at"]) == (False, None)
    Factor.objects.update(suspect_at="2026-01-01T00:00Z")
    [shown] = me().get(url).json()["factors"]
    assert shown["suspect_at"] == "2026-01-01T00:00:00Z"
